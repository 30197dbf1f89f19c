"""STOW-RS destinations against a small server that speaks enough of it."""

import base64
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from lesionmap.app.serve_settings import Destination
from lesionmap.app.service.destinations import DeliveryError, build_sender
from lesionmap.models.core.errors import SettingsError
from tests.http_handler import QuietHandler
from tests.service.harness import small_series

REFUSED = b'{"00081198": {"vr": "SQ", "Value": [{}]}}'


class _Handler(QuietHandler):
    def do_POST(self):
        body = self.read_body()
        self.server.seen.append((self.path, self.headers.get("Authorization"), body))
        code, answer = self.server.answer
        self.send_response(code)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def stow_server(code=200, answer=b"{}"):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.seen, server.answer = [], (code, answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sender(server, **login):
    stow = {"url": f"http://127.0.0.1:{server.server_port}/dicom-web"} | login
    destination = Destination.model_validate({"name": "a", "stow": stow})
    return build_sender(destination, "LESIONMAP", 5)


def objects(body):
    parts = body.split(b"--0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1")[1:-1]
    contents = [part.split(b"\r\n\r\n", 1)[1] for part in parts]
    return [pydicom.dcmread(BytesIO(content)) for content in contents]


def test_all_objects_go_in_one_request_with_the_token(tmp_path, monkeypatch):
    paths = small_series(tmp_path)
    monkeypatch.setenv("STOW_TOKEN", "secret-1\n")
    with stow_server() as server:
        sender(server, token={"env": "STOW_TOKEN"}).send(paths)
        ((path, login, body),) = server.seen
    assert (path, login) == ("/dicom-web/studies", "Bearer secret-1")
    assert objects(body) == [pydicom.dcmread(path) for path in paths]


def test_a_password_comes_from_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("pass\n")
    with stow_server() as server:
        sender(server, user="me", password={"file": secret}).send(small_series(tmp_path))
        assert server.seen[0][1] == "Basic " + base64.b64encode(b"me:pass").decode()


@pytest.mark.parametrize(
    ("code", "answer", "reason"),
    [
        (503, b"{}", "HTTP status 503"),
        (401, b"{}", "HTTP status 401"),
        (202, REFUSED, "1 of 3 objects refused"),
        (200, b"{", "JSONDecodeError"),
    ],
)
def test_what_is_not_taken_is_an_error(tmp_path, code, answer, reason):
    with stow_server(code, answer) as server, pytest.raises(DeliveryError, match=reason):
        sender(server).send(small_series(tmp_path))
    assert len(server.seen) == 1


def test_nobody_there_is_an_error(tmp_path):
    with stow_server() as server:
        gone = sender(server)
    with pytest.raises(DeliveryError, match="not reachable"):
        gone.send(small_series(tmp_path))


@pytest.mark.parametrize(
    "token", [{"env": "LESIONMAP_NO_SUCH_VARIABLE"}, {"file": Path("/no/such/file")}]
)
def test_a_secret_that_is_not_there_stops_the_start(token):
    with stow_server() as server, pytest.raises(SettingsError, match="secret"):
        sender(server, token=token)
