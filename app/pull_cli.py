"""`lesionmap pull`: needs the extra ``lesionmap[serve]``."""

# ruff: noqa: PLC0415

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from lesionmap.app.serve_cli import require_extra
from lesionmap.app.settings import Folders, Settings, default_store
from lesionmap.models.core.errors import ExitCode

_REMOVE = """
import shutil, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.read()
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


def pull(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Study Instance UID.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for results.")],
    series: Annotated[list[str] | None, typer.Option(help="Only this series; repeat.")] = None,
    models: Annotated[Path | None, typer.Option("--models", "-m", help="Model store.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="An app.yaml.")] = None,
    *,
    store: Annotated[bool, typer.Option(help="Send the results back.")] = True,
) -> None:
    """Fetch a study by DICOMweb, process it, and store the results beside its images.

    The archive and its login are the `pull:` part of app.yaml; see docs/viewer.md. Images stay
    on this machine only while they are processed.
    """
    require_extra()
    from lesionmap.app.console import ProgressBar, print_summary
    from lesionmap.app.pull import pull_study, return_results

    console = Console()
    with _image_folder() as images, ProgressBar(console) as bar:
        folders = Folders(images, target, models or default_store())
        record = pull_study(study, folders, config, series_uids=series or (), listener=bar)
    print_summary(console, record, target)
    if store and record.exit_code == ExitCode.DONE:
        count = return_results(target, Settings.load(config).pull)
        console.print(f"{count} objects stored in the archive", highlight=False)
    raise typer.Exit(record.exit_code)


@contextmanager
def _image_folder() -> Iterator[Path]:
    """Remove the folder at the end, whatever the end is.

    Holoscan answers SIGTERM by leaving at once, past all of Python's handlers, and nothing answers
    SIGKILL: a process of its own removes the folder as soon as this one is gone.
    """
    with TemporaryDirectory(prefix="lesionmap-pull-") as folder:
        command = [sys.executable, "-I", "-c", _REMOVE, folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603
            yield Path(folder)
