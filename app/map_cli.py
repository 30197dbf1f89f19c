"""`lesionmap map`: the MAP as an image: make it, check it, document it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

map_app = typer.Typer(help="Build and check the MONAI Application Package (MAP).")

DOES_NOT_CONFORM = 1
"""As linters have it: 0 conforms, 1 does not, 2 could not be checked."""


@map_app.command("check")
def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE|CONTEXT",
            help="An image in the engine, a build context, an archive of `docker save`, "
            "or an unpacked file system.",
        ),
    ],
    *,
    study: Annotated[
        Path | None,
        typer.Option("--input", exists=True, file_okay=False, help="Also run the image on this."),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="docker, podman or the like.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Findings for programs.")] = False,
) -> None:
    """Check any MAP against the specification and against what platforms do with one.

    Exit codes: 0 conforms, 1 does not, 2 could not be checked.
    """
    from lesionmap.app.conformance.examine import conforms, examine  # noqa: PLC0415
    from lesionmap.app.conformance.report import findings_json, print_findings  # noqa: PLC0415

    findings = examine(target, study=study, engine=engine)
    if as_json:
        Console().print_json(findings_json(target, findings))
    else:
        print_findings(Console(), target, findings)
    raise typer.Exit(0 if conforms(findings) else DOES_NOT_CONFORM)
