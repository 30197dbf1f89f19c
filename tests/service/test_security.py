"""What a stranger can do to the service: nothing."""

import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pydicom
import pytest
from pydantic import ValidationError
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_context

from lesionmap.app.serve_settings import ServeSettings
from tests.service.harness import (
    archive,
    associate,
    running,
    send,
    small_series,
    wait_for,
    wait_idle,
)

MISMATCH, CANNOT_UNDERSTAND = 0xA900, 0xC000


@pytest.fixture
def service(tmp_path):
    with running(tmp_path, receive={"calling_ae": ["FRIEND"], "object_mib": 1}) as service:
        yield service


def still_works(service, tmp_path, jobs=1):
    paths = small_series(tmp_path, "fine")
    assert send(service.receiver.port, paths, calling="FRIEND") == [0] * 3
    return wait_idle(service, jobs) == {"done": jobs}


@pytest.mark.parametrize(
    ("calling", "called"), [("STRANGER", "LESIONMAP"), ("FRIEND", "OTHER"), ("", "LESIONMAP")]
)
def test_unknown_titles_are_refused(service, calling, called):
    assoc = associate(service.receiver.port, calling=calling or "X", called=called)
    assert assoc.is_rejected


def test_echo_is_answered(service):
    assoc = associate(service.receiver.port, calling="FRIEND")
    assert assoc.send_c_echo().Status == 0
    assoc.release()


def send_raw(service, dataset, affected=None):
    """Send a data set as it is, whatever it claims."""
    entity = AE(ae_title="FRIEND")
    entity.requested_contexts = [build_context(CTImageStorage, ExplicitVRLittleEndian)]
    assoc = entity.associate("127.0.0.1", service.receiver.port, ae_title="LESIONMAP")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if affected:
        dataset.file_meta.MediaStorageSOPInstanceUID = affected
    try:
        return assoc.send_c_store(dataset).get("Status")
    finally:
        if assoc.is_established:
            assoc.release()


def image(**elements):
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    dataset.StudyInstanceUID = "1.2.4"
    dataset.SeriesInstanceUID = "1.2.5"
    dataset.update(elements)
    return dataset


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "elements",
    [
        {"SeriesInstanceUID": "../../../evil"},
        {"StudyInstanceUID": "/etc/passwd"},
        {"SeriesInstanceUID": ""},
        {"SeriesInstanceUID": "1." * 40},
        {"SOPInstanceUID": "../evil"},
    ],
)
def test_uids_that_are_paths_are_refused(service, tmp_path, elements):
    before = set(tmp_path.rglob("*"))
    assert send_raw(service, image(**elements)) == CANNOT_UNDERSTAND
    assert {path.name for path in set(tmp_path.rglob("*")) - before} <= {"jobs.db-wal"}


@pytest.mark.filterwarnings("ignore")
def test_names_in_the_spool_are_never_from_tags(service, tmp_path):
    assert send_raw(service, image()) == 0
    wait_idle(service, 1)
    for path in (tmp_path / "spool").rglob("*"):
        assert "1.2." not in path.name


def nested(depth):
    return (
        struct.pack("<HH2sHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ) * depth


HOSTILE = {
    "empty": b"",
    "noise": bytes(range(256)) * 20,
    "nested without end": nested(20_000),
    "claims four gigabytes": struct.pack("<HH2sHL", 8, 0x8, b"OB", 0, 0xFFFFFFF0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_data_sets_are_refused_and_survived(service, tmp_path, kind, monkeypatch):
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: HOSTILE[kind] or b"\0")
    assert send_raw(service, image()) == CANNOT_UNDERSTAND
    monkeypatch.undo()
    assert still_works(service, tmp_path)


def pdu(kind, length, body=b""):
    return struct.pack(">BBL", kind, 0, length) + body


@pytest.mark.parametrize(
    "noise",
    [
        pdu(4, 0xFFFFFFFF, b"x" * 1000),
        pdu(1, 2 << 20, b"x" * 1000),
        pdu(1, 200, b"\xff" * 200),
        pdu(9, 4, b"abcd"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
    ],
)
def test_noise_and_oversize_pdus_are_survived(service, tmp_path, noise):
    with socket.create_connection(("127.0.0.1", service.receiver.port)) as peer:
        peer.sendall(noise)
        peer.settimeout(5)
        if noise.startswith((b"\x04", pdu(1, 2 << 20)[:6])):
            assert ended(peer)
    assert still_works(service, tmp_path)


def ended(peer):
    try:
        while peer.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_an_object_beyond_the_limit_ends_the_association(service, tmp_path):
    big = small_series(tmp_path, "big", slices=1)
    dataset = pydicom.dcmread(big[0])
    dataset.add_new(0x00420011, "OB", b"x" * (3 << 20))
    dataset.save_as(big[0])
    assert send(service.receiver.port, big, calling="FRIEND") == [None]
    assert service.open_series == 0
    assert still_works(service, tmp_path)


def listening_addresses():
    """Addresses of this process's listening sockets."""
    inodes = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            link = str(path.readlink())
        except OSError:
            continue
        if link.startswith("socket:"):
            inodes.add(link[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and parts[9] in inodes:
                found.add(parts[1].split(":")[0])
    return found


def test_nothing_listens_beyond_loopback(service):
    assert listening_addresses() == {"0100007F"}


def test_beyond_loopback_senders_must_be_named():
    with pytest.raises(ValidationError, match="calling_ae"):
        ServeSettings.model_validate({"receive": {"address": "0.0.0.0"}})
    ServeSettings.model_validate({"receive": {"address": "0.0.0.0", "calling_ae": ["PACS"]}})


def test_the_spool_is_for_its_owner_alone(tmp_path):
    with running(tmp_path):
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_one_spool_has_one_service(tmp_path):
    from lesionmap.models.core.errors import SettingsError

    with running(tmp_path), pytest.raises(SettingsError, match="another"), running(tmp_path):
        pass


def make_certificates(folder):
    """An authority, and a certificate of it for localhost."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")

    def call(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj")
    call(*new, "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    call(
        *(*new, "/CN=localhost", "-keyout", "one.key", "-out", "one.pem"),
        *("-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    )


def test_tls_with_certificates_on_both_sides(tmp_path):
    from lesionmap.app.serve_settings import ClientTls
    from lesionmap.app.service.tls import client_context

    make_certificates(tmp_path)
    own = {"certificate": tmp_path / "one.pem", "key": tmp_path / "one.key"}
    tls = own | {"client_ca": tmp_path / "ca.pem"}
    known = client_context(ClientTls(ca=tmp_path / "ca.pem", **own))
    stranger = client_context(ClientTls(ca=tmp_path / "ca.pem"))
    with running(tmp_path, receive={"tls": tls, "idle_s": 2}) as service:
        port = service.receiver.port
        # A silent peer in the middle of its handshake must not hold up the others.
        silent = socket.create_connection(("127.0.0.1", port))
        statuses = send(port, small_series(tmp_path), tls_args=(known, "localhost"))
        assert statuses == [0] * 3
        assert not associate(port, tls_args=(stranger, "localhost")).is_established
        assert not associate(port).is_established
        silent.close()
        assert wait_idle(service, 1) == {"done": 1}


def test_results_go_to_a_destination_over_tls(tmp_path):
    import ssl

    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "one.pem", tmp_path / "one.key")
    with archive(tls=context) as pacs:
        destination = pacs.settings()
        destination["dicom"] |= {"tls": {"ca": str(tmp_path / "ca.pem")}}
        with running(tmp_path, deliver={"destinations": [destination]}) as service:
            send(service.receiver.port, small_series(tmp_path))
            assert wait_idle(service, 1) == {"done": 1}
            assert list(pacs.stored.values()) == [1]


def test_a_sender_that_stalls_in_an_object_is_dropped(tmp_path):
    with running(tmp_path, receive={"idle_s": 0.5}) as service:
        before = threading.active_count()
        with socket.create_connection(("127.0.0.1", service.receiver.port)) as peer:
            peer.sendall(pdu(1, 200, b"\x00" * 20))
            assert ended(peer)
        wait_for(lambda: threading.active_count() <= before)
