"""A small archive that speaks enough DICOMweb to pull from, and that can misbehave."""

import json
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pydicom

from tests.http_handler import QuietHandler

ROOT = "/dicom-web"


class Archive(ThreadingHTTPServer):
    """Holds files; ``sent`` may differ from what is listed, to play faults."""

    def __init__(self, paths):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.headers = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in paths}
        self.sent = {path: path.read_bytes() for path in paths}
        self.status = 200
        self.refused = b"{}"
        self.page = 10_000
        self.ignores_offset = False
        self.unlisted = set()
        self.extra_count = 0
        self.counts = True
        self.stored = []
        self.logins = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}{ROOT}"

    def of_series(self, uid):
        return [path for path, item in self.headers.items() if item.SeriesInstanceUID == uid]

    def listed_of_series(self, uid):
        return [path for path in self.of_series(uid) if path not in self.unlisted]


@contextmanager
def archive_of(paths):
    server = Archive(paths)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(QuietHandler):
    def do_GET(self):
        self.server.logins.append(self.headers.get("Authorization"))
        if self.server.status != 200:
            return self._answer(b"", "text/plain", self.server.status)
        location = urlparse(self.path)
        steps = location.path.removeprefix(f"{ROOT}/studies/").split("/")
        query = parse_qs(location.query)
        if location.path == f"{ROOT}/studies":
            return self._list(self._studies(query["StudyInstanceUID"][0]))
        start = 0 if self.server.ignores_offset else int(query.get("offset", ["0"])[0])
        if steps[1:] == ["series"]:
            return self._list(list(self._series(steps[0]))[start : start + self.server.page])
        if len(steps) == 3:
            return self._send_series(steps[2])
        paths = self.server.listed_of_series(steps[2])[start : start + self.server.page]
        return self._list(
            {"00080018": {"vr": "UI", "Value": [str(self._header(path).SOPInstanceUID)]}}
            for path in paths
        )

    def do_POST(self):
        self.server.stored.append(self.read_body())
        self._answer(self.server.refused, "application/dicom+json")

    def _header(self, path):
        return self.server.headers[path]

    def _series(self, study):
        items = [item for item in self.server.headers.values() if item.StudyInstanceUID == study]
        for uid in dict.fromkeys(item.SeriesInstanceUID for item in items):
            paths = self.server.of_series(uid)
            item = {
                "0020000E": {"vr": "UI", "Value": [str(uid)]},
                "00080060": {"vr": "CS", "Value": [self._header(paths[0]).Modality]},
            }
            count = len(paths) + self.server.extra_count
            yield item | self._count("00201209", count)

    def _studies(self, study):
        if series := list(self._series(study)):
            item = {"0020000D": {"vr": "UI", "Value": [study]}}
            yield item | self._count("00201206", len(series))

    def _count(self, tag, number):
        return {tag: {"vr": "IS", "Value": [number]}} if self.server.counts else {}

    def _list(self, items):
        self._answer(json.dumps(list(items)).encode(), "application/dicom+json")

    def _send_series(self, uid):
        body = b""
        for path in self.server.of_series(uid):
            if path in self.server.sent:
                body += b"--part\r\nContent-Type: application/dicom\r\n\r\n"
                body += self.server.sent[path] + b"\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=part'
        self._answer(body + b"--part--\r\n", kind)

    def _answer(self, body, kind, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
