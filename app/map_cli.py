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


File = Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: standard output.")]


@map_app.command("sbom")
def sbom(target: File = None) -> None:
    """Write a bill of materials (CycloneDX 1.6): packages, licences, models with their hashes."""
    from lesionmap.app.supply_chain.documents import (  # noqa: PLC0415
        configured_models,
        permitted_closure,
    )
    from lesionmap.app.supply_chain.sbom import write_sbom  # noqa: PLC0415

    _deliver(write_sbom(permitted_closure(), configured_models()), target)


@map_app.command("notices")
def notices(target: File = None) -> None:
    """Write the licence texts of all packages of the run time."""
    from lesionmap.app.supply_chain import notices as papers  # noqa: PLC0415
    from lesionmap.app.supply_chain.documents import (  # noqa: PLC0415
        permitted_closure,
        third_parties,
    )

    _deliver(papers.notices(third_parties(permitted_closure())), target)


@map_app.command("documents")
def documents(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Becomes the image's docs.")],
    without: Annotated[
        list[str] | None, typer.Option(help="A package that the image does not have.")
    ] = None,
) -> None:
    """Write all papers of the image: SBOM, notices, licences, model cards."""
    from lesionmap.app.supply_chain import write_documents  # noqa: PLC0415

    write_documents(target, without=without or ())


def _deliver(text: str, target: Path | None) -> None:
    if target is None:
        typer.echo(text, nl=False)
    else:
        target.write_text(text, encoding="utf-8")
