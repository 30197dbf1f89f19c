"""Health, metrics, the status page and the logs: useful, and without patient data."""

import json
import logging
import urllib.error
import urllib.request

from lesionmap.app.service.logs import JsonFormatter
from tests.service.harness import archive, running, send, small_series, wait_idle

CANARY = "CANARY-7319"


def get(service, path, host=None, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{service.web.port}{path}", method=method)
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def plant(_, dataset):
    for keyword in ("PatientName", "PatientID", "StudyDescription", "AccessionNumber"):
        setattr(dataset, keyword, CANARY)


def test_pages_tell_what_happens_and_no_patient(tmp_path, caplog):
    paths = small_series(tmp_path, edit=plant)
    with (
        archive() as pacs,
        running(tmp_path, deliver={"destinations": [pacs.settings()]}) as service,
    ):
        send(service.receiver.port, paths)
        wait_idle(service, 1)
        assert get(service, "/health/live")[:2] == (200, "live\n")
        status, ready, _ = get(service, "/health/ready")
        assert (status, json.loads(ready)) == (200, {"ready": True, "problems": []})
        listing, detail = get(service, "/")[1], get(service, "/jobs/1")[1]
        assert "1 processed, 0 lesions" in listing
        assert "archive" in detail
        assert "<img" not in detail
        assert "series 1.3<" not in detail
        assert get(service, "/jobs/1/pictures/0")[0] == 404
        metrics = get(service, "/metrics")[1]
        assert 'lesionmap_objects_total{outcome="stored"} 3.0' in metrics
        assert 'lesionmap_jobs{of="done"} 1.0' in metrics
        assert 'lesionmap_deliveries_total{destination="archive",outcome="sent"} 1.0' in metrics
        for text in (listing, detail, metrics, caplog.text):
            assert CANARY not in text
        assert not any(CANARY in str(path) for path in (tmp_path / "spool").rglob("*"))
        assert CANARY.encode() not in (tmp_path / "spool/jobs.db").read_bytes()


def test_pictures_and_patients_are_shown_where_switched_on(tmp_path):
    def name(_, dataset):
        dataset.PatientName = "<b>Test^Case"

    with running(tmp_path, web={"show": ["previews", "patients"]}) as service:
        send(service.receiver.port, small_series(tmp_path, edit=name))
        wait_idle(service, 1)
        detail = get(service, "/jobs/1")[1]
        assert "&lt;b&gt;Test^Case, T-1" in detail
        assert "series 1.3<" in detail
        assert 'src="/jobs/1/pictures/0"' in detail
        status, picture, headers = get(service, "/jobs/1/pictures/0")
        assert (status, picture, headers["Content-Type"]) == (200, "png", "image/png")
        assert get(service, "/jobs/1/pictures/1")[0] == 404
        assert get(service, "/jobs/99999999999999999999")[0] == 404


def test_the_page_is_for_its_own_names_and_changes_nothing(tmp_path):
    with running(tmp_path) as service:
        assert get(service, "/", host="evil.example")[0] == 400
        assert "default-src 'none'" in get(service, "/")[2]["Content-Security-Policy"]
        assert get(service, "/", method="POST")[0] == 405


def test_a_service_that_is_not_ready_says_why(tmp_path):
    with running(tmp_path, work={"least_free_mib": 1 << 40}) as service:
        status, body, _ = get(service, "/health/ready")
        assert (status, json.loads(body)["problems"]) == (503, ["disk nearly full"])
        assert "disk nearly full" in get(service, "/")[1]
        assert get(service, "/?state=nonsense")[0] == 200


def test_log_lines_are_json_and_name_only_the_type_of_an_error():
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        record = logging.LogRecord("a", logging.INFO, "", 0, "it %s", ("is",), None)
        record.exc_info = (KeyError, error, None)
        record.fields = {"job": 3}
    line = JsonFormatter().format(record)
    assert CANARY not in line
    found = json.loads(line)
    assert {key: found[key] for key in ("level", "event", "error", "job")} == {
        "level": "info",
        "event": "it is",
        "error": "KeyError",
        "job": 3,
    }


def test_associations_and_results_leave_an_audit_trail(tmp_path, caplog):
    caplog.set_level(logging.INFO, "lesionmap.audit")
    with running(tmp_path) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_idle(service, 1)
    trail = [
        (item.message, item.fields) for item in caplog.records if item.name == "lesionmap.audit"
    ]
    assert [message for message, _ in trail] == [
        "ready",
        "association accepted",
        "association released",
        "closed",
        "job ran",
        "stopped",
    ]
    assert trail[2][1] == {"sender": "SENDER", "address": "127.0.0.1", "answers": {"0x0000": 3}}
    assert trail[4][1]["code"] == 0
