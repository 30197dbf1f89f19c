"""`lesionmap`: each command is one call."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lesionmap.app.doctor.__main__ import consult
from lesionmap.app.doctor.diagnosis import Visit
from lesionmap.app.map_cli import map_app
from lesionmap.app.pull_cli import pull
from lesionmap.app.serve_cli import jobs_app, serve
from lesionmap.app.settings import Folders, Settings, default_store
from lesionmap.app.workshop import evaluate_app, quantize_app, train_app
from lesionmap.models.core.errors import ExitCode, LesionMapError, ModelError
from lesionmap.models.weights.catalog import Catalog
from lesionmap.models.weights.catalog import verify as verify_artifact
from lesionmap.operators.dicom.sample import write_sample

app = typer.Typer(
    name="lesionmap",
    help="Detect and segment lesions in DICOM. Research software, not for diagnostic use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(map_app, name="map")
app.add_typer(train_app, name="train")
app.add_typer(quantize_app, name="quantize")
app.add_typer(evaluate_app, name="evaluate")
app.command()(serve)
app.command()(pull)
app.add_typer(jobs_app, name="jobs")


@app.command()
def run(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder of DICOM files.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for results.")],
    models: Annotated[Path | None, typer.Option("-m", help="Model store.")] = None,
    config: Annotated[Path | None, typer.Option("-c", help="An app.yaml of your own.")] = None,
) -> None:
    """Process every matching series below IN; write SEG, pictures and run.json to OUT.

    The exit code is 0 if a series was processed, with or without a finding;
    run.json gives the verdict and the reason for every other series.
    """
    # The workshop's environment has no Holoscan, and needs the other commands.
    from lesionmap.app.batch import run_batch  # noqa: PLC0415
    from lesionmap.app.console import ProgressBar, print_summary  # noqa: PLC0415

    console = Console()
    folders = Folders.resolve(source, target, models)
    with ProgressBar(console) as bar:
        record = run_batch(folders, config, listener=bar)
    print_summary(console, record, target)
    raise typer.Exit(record.exit_code)


@app.command()
def explain(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder of DICOM files.")],
    config: Annotated[Path | None, typer.Option("-c", help="An app.yaml of your own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Say what a run would do with each series below IN, and why; writes nothing."""
    from lesionmap.app.batch import explain_batch  # noqa: PLC0415
    from lesionmap.app.console import explanation_json, print_explanation  # noqa: PLC0415

    outcomes, left_aside = explain_batch(source, config)
    if as_json:
        typer.echo(explanation_json(outcomes, left_aside))
    else:
        print_explanation(Console(), outcomes, left_aside)


@app.command()
def verify(
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of an earlier run.")],
    source: Annotated[
        Path | None, typer.Option("--source", metavar="IN", help="Compare the input files too.")
    ] = None,
) -> None:
    """Compare the files in OUT with the hashes of run.json, and their receipts with its own."""
    from lesionmap.operators.receipt_check import check_receipts  # noqa: PLC0415

    console = Console()
    count, faults = check_receipts(target, source)
    for fault in faults:
        console.print(f"[red]{escape(fault)}[/red]", highlight=False, soft_wrap=True)
    console.print(f"{count} files, {len(faults)} faults", highlight=False)
    raise typer.Exit(ExitCode.OUTPUT if faults else ExitCode.DONE)


@app.command()
def schema() -> None:
    """Print the JSON schema of run.json."""
    from lesionmap.operators.run_record import RunRecord  # noqa: PLC0415

    typer.echo(json.dumps(RunRecord.model_json_schema(), indent=2))


@app.command()
def sample(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
) -> None:
    """Write a phantom study (chest CT, brain MR, breast ultrasound) that shows no real person."""
    count = write_sample(target)
    Console().print(f"{count} DICOM files of a phantom study in {target}", highlight=False)


@app.command()
def models(
    store: Annotated[Path | None, typer.Option("-m", help="Model store.")] = None,
    config: Annotated[Path | None, typer.Option("-c", help="An app.yaml of your own.")] = None,
) -> None:
    """List the models of the catalog and verify their hashes in the store."""
    console, folder, failed = Console(), store or default_store(), False
    catalog = Catalog.load().extended(Settings.load(config).artifacts)
    table = Table("model", "role", "version", "precision", "licence", "sha256", "state")
    for name, artifact in sorted(catalog.artifacts.items()):
        try:
            verify_artifact(name, artifact, folder)
            state = "ok"
        except ModelError as error:
            state, failed = str(error), True
        table.add_row(
            name,
            artifact.role,
            artifact.version,
            artifact.precision,
            artifact.licence,
            artifact.sha256[:12],
            state,
        )
    console.print(table)
    raise typer.Exit(ExitCode.MODEL if failed else ExitCode.DONE)


@app.command()
def doctor(
    store: Annotated[Path | None, typer.Option("-m", help="Model store.")] = None,
    config: Annotated[Path | None, typer.Option("-c", help="An app.yaml of your own.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="OUT of a run.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Diagnoses for programs.")] = False,
) -> None:
    """Say whether this machine can run LesionMAP, and how to mend what is wrong.

    The exit code is 0, or the one that a run would end with.
    """
    raise typer.Exit(consult(Visit(store, config, output), as_json=as_json))


def main() -> None:
    """Run the command line; errors that LesionMAP explains end with their code."""
    logging.basicConfig(level=logging.CRITICAL)
    try:
        app()
    except LesionMapError as error:
        text = f"[red]{escape(str(error))}[/red]"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True)
        raise SystemExit(int(error.code)) from None
