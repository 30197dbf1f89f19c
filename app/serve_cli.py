"""`lesionmap serve` and `lesionmap jobs`: need the extra ``lesionmap[serve]``.

The service is imported inside the commands: the run time of the MAP must work without it.
"""

# ruff: noqa: PLC0415

import signal
import threading
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lesionmap.app.settings import Settings, default_store, settings_file
from lesionmap.models.core.errors import SettingsError

if TYPE_CHECKING:
    from lesionmap.app.service.job import Job, State

jobs_app = typer.Typer(help="What `lesionmap serve` did, does, and could not do.")

Config = Annotated[Path | None, typer.Option("--config", "-c", help="An app.yaml of your own.")]
Store = Annotated[Path | None, typer.Option("--models", "-m", help="Model store.")]
SpoolFolder = Annotated[Path | None, typer.Option("--spool", help="Overrides serve.spool.")]
Number = Annotated[int, typer.Argument(metavar="JOB", help="Number of the job.")]


def serve(config: Config = None, models: Store = None, spool: SpoolFolder = None) -> None:
    """Receive studies by DICOM, run the batch job on each, send the results back.

    Runs until SIGTERM or Ctrl-C; logs are JSON lines on stderr. Settings are the `serve:` part
    of app.yaml; see docs/routing.md.
    """
    require_extra()
    from lesionmap.app.service.logs import set_up_logs
    from lesionmap.app.service.service import Service, build_of
    from lesionmap.app.service.spool import private_files
    from lesionmap.app.service.worker import BatchCommand

    settings = _load(config, spool)
    set_up_logs()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with private_files():
        snapshot = settings.serve.spool.absolute() / "app.yaml"
        command = BatchCommand(snapshot, (models or default_store()).absolute())
        service = Service(settings.serve, command, build_of(settings))
        # Jobs run with what is in force now, also if the file is edited meanwhile.
        with settings_file(config) as chosen:
            snapshot.write_bytes(chosen.read_bytes())
        service.start()
        stop.wait()
        service.stop()


@jobs_app.command("list")
def list_jobs(
    config: Config = None,
    spool: SpoolFolder = None,
    state: Annotated[str, typer.Option(help="Only jobs in this state.")] = "",
    limit: Annotated[int, typer.Option("-n", help="How many.")] = 50,
) -> None:
    """List the latest jobs."""
    require_extra()
    from lesionmap.app.service.jobs import JobBook

    chosen = _state(state)
    table = Table("job", "since", "state", "sender", "objects", "attempts", "code", "result")
    for job in JobBook(_load(config, spool).serve.spool).jobs(chosen, limit):
        table.add_row(*map(escape, _cells(job)))
    Console().print(table)


@jobs_app.command("show")
def show_job(job: Number, config: Config = None, spool: SpoolFolder = None) -> None:
    """Say all that is known about a job."""
    require_extra()
    from lesionmap.app.service.jobs import JobBook

    console = Console(highlight=False)
    found, deliveries, record, folder = JobBook(_load(config, spool).serve.spool).show(job)
    console.print(f"job {found.id}: {found.state}, attempt {found.attempts}, code {found.code}")
    console.print(f"{len(found.contents)} objects from {escape(found.sender)}; files in {folder}")
    if found.reason:
        console.print(escape(found.reason))
    for item in deliveries:
        state = "sent" if item.sent else f"waiting after {item.attempts} attempts: {item.reason}"
        console.print(f"{item.destination}: {escape(state)}")
    for series in record.series if record else ():
        reason = f", {series.reason.message} (code {series.reason.code})" if series.reason else ""
        console.print(
            f"series {series.number}, {series.modality}: {series.verdict}, "
            f"{len(series.lesions)} lesions{escape(reason)}"
        )


@jobs_app.command("retry")
def retry_job(job: Number, config: Config = None, spool: SpoolFolder = None) -> None:
    """Try an ended job again: send its results, or run it again."""
    require_extra()
    from lesionmap.app.service.jobs import JobBook

    state = JobBook(_load(config, spool).serve.spool).retry(job)
    Console().print(f"job {job} is {state}", highlight=False)


def _load(config: Path | None, spool: Path | None) -> Settings:
    settings = Settings.load(config)
    if spool is None:
        return settings
    return settings.model_copy(update={"serve": settings.serve.model_copy(update={"spool": spool})})


def _state(text: str) -> "State | None":
    from lesionmap.app.service.job import State

    try:
        return State(text) if text else None
    except ValueError:
        raise SettingsError(f"no such state: {text}; there are {', '.join(State)}") from None


def _cells(job: "Job") -> list[str]:
    since = datetime.fromtimestamp(job.changed).astimezone().isoformat(" ", timespec="seconds")
    result = ": ".join(text for text in (job.summary, job.reason) if text)
    numbers = map(str, (len(job.contents), job.attempts, job.code))
    return [str(job.id), since, job.state, job.sender, *numbers, result]


def require_extra() -> None:
    """Refuse where the extra is not installed.

    Raises:
        SettingsError: it is not.
    """
    needed = ("pynetdicom", "dicomweb_client", "prometheus_client", "starlette", "uvicorn")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"the service needs {', '.join(missing)}: pip install 'lesionmap[serve]'"
        )
