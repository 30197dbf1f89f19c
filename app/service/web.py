"""Health, metrics and the status page over HTTP: it can be read, and changes nothing."""

import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lesionmap.app.serve_settings import WebSettings
from lesionmap.app.service.deliveries import Deliveries
from lesionmap.app.service.job import Job, State
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.metrics import Metrics
from lesionmap.app.service.page import MOST_JOBS, Detail, Overview, render_job, render_list
from lesionmap.app.service.results import picture_files, read_result
from lesionmap.app.service.spool import Spool
from lesionmap.models.core.errors import PixelError, SettingsError
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.scan import read_header

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STOP_S = 5


class Watched(Protocol):
    """What the pages are about."""

    spool: Spool
    ledger: Ledger
    metrics: Metrics

    def problems(self) -> list[str]:
        """Return why it is not ready."""

    @property
    def open_series(self) -> int:
        """How many series are open."""


class WebServer:
    """Serves from a thread of its own."""

    def __init__(self, settings: WebSettings, watched: Watched) -> None:
        """Prepare the pages on ``watched``."""
        self._settings = settings
        self._watched = watched
        self._socket: socket.socket | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), log_config=None, access_log=False, lifespan="off")
        )
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before `start`."""
        return int(self._socket.getsockname()[1]) if self._socket else 0

    def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: the address cannot be used.
        """
        settings = self._settings
        try:
            self._socket = socket.create_server((settings.address, settings.port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {settings.address}, port {settings.port}: {error.strerror}"
            ) from error
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="web", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(_STOP_S)
        if self._socket:
            self._socket.close()

    def _app(self) -> Starlette:
        routes = [
            Route("/", self._list),
            Route("/jobs/{job:int}", self._job),
            Route("/jobs/{job:int}/pictures/{number:int}", self._picture),
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", self._metrics),
        ]
        # A page elsewhere could else reach us through a name that it points at this machine.
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(self._settings.hosts))
        return Starlette(routes=routes, middleware=[hosts])

    async def _live(self, _request: Request) -> Response:
        return PlainTextResponse("live\n")

    async def _ready(self, _request: Request) -> Response:
        problems = await run_in_threadpool(self._watched.problems)
        return JSONResponse(
            {"ready": not problems, "problems": problems}, 503 if problems else 200, _HEADERS
        )

    async def _metrics(self, _request: Request) -> Response:
        text = await run_in_threadpool(generate_latest, self._watched.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def _list(self, request: Request) -> Response:
        state = request.query_params.get("state", "")
        return await run_in_threadpool(self._render_list, state)

    async def _job(self, request: Request) -> Response:
        return await run_in_threadpool(self._render_job, request.path_params["job"])

    async def _picture(self, request: Request) -> Response:
        return await run_in_threadpool(
            self._read_picture, request.path_params["job"], request.path_params["number"]
        )

    def _render_list(self, state: str) -> Response:
        states = [State(state)] if state in set(State) else list(State)
        overview = Overview(
            counts=self._watched.ledger.counts(),
            jobs=self._watched.ledger.jobs(states, MOST_JOBS),
            problems=self._watched.problems(),
            open_series=self._watched.open_series,
            state=state if len(states) == 1 else "",
        )
        return HTMLResponse(render_list(overview), headers=_HEADERS)

    def _render_job(self, identifier: int) -> Response:
        job = self._find(identifier)
        if job is None:
            return PlainTextResponse("no such job\n", 404)
        folder = self._watched.spool.folder(job.id)
        identities = "patients" in self._settings.show
        detail = Detail(
            job,
            Deliveries(self._watched.ledger).of(job.id),
            read_result(folder / job.results),
            self._pictures(job),
            _patient(folder / "in") if identities else "",
            identities,
        )
        return HTMLResponse(render_job(detail), headers=_HEADERS)

    def _read_picture(self, identifier: int, number: int) -> Response:
        job = self._find(identifier)
        pictures = self._pictures(job) if job else []
        if number >= len(pictures) or not pictures[number].is_file():
            return PlainTextResponse("no such picture\n", 404)
        return Response(pictures[number].read_bytes(), media_type="image/png", headers=_HEADERS)

    def _find(self, identifier: int) -> Job | None:
        try:
            return self._watched.ledger.job(identifier)
        except (KeyError, OverflowError):
            return None

    def _pictures(self, job: Job) -> Sequence[Path]:
        if "previews" not in self._settings.show:
            return []
        return picture_files(self._watched.spool.folder(job.id) / job.results)


def _patient(folder: Path) -> str:
    first = next(iter(sorted(folder.glob("*.dcm"))), None)
    try:
        header = read_header(first, Limits()) if first else None
    except PixelError:
        return ""
    names = (str(header.get(name, "")) for name in ("PatientName", "PatientID")) if header else ()
    return ", ".join(name for name in names if name)
