"""`lesionmap map`: the MAP as an image: make it, check it, document it."""

# ruff: noqa: PLC0415

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lesionmap.app.settings import SOFTWARE_VERSION, find_checkout

map_app = typer.Typer(help="Build and check the MONAI Application Package (MAP).")


class ProfileName(StrEnum):
    """Kinds of image."""

    CPU = "cpu"
    GPU = "gpu"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")]
Kind = Annotated[ProfileName, typer.Option("--profile", help="Kind of image.")]
Base = Annotated[
    str | None,
    typer.Option("--base-image", help="Base with Python 3.11 or 3.12; default: the profile's."),
]
TAG = f"lesionmap:{SOFTWARE_VERSION}"


@map_app.command("stage")
def stage_map(
    folder: Folder,
    profile: Kind = ProfileName.CPU,
    base_image: Base = None,
) -> None:
    """Write app, models, docs and app.yaml as `monai-deploy package` takes them."""
    from lesionmap.app.map_image.profiles import PROFILES
    from lesionmap.app.map_image.stage import stage

    chosen = PROFILES[profile]
    base = base_image or chosen.base_image
    stage(folder, chosen, checkout=find_checkout(), base_image=base)
    _tell(f"{folder} is staged for the {chosen.name} image on {base}")


@map_app.command("context")
def write_map_context(
    folder: Folder,
    profile: Kind = ProfileName.CPU,
    base_image: Base = None,
    tag: Annotated[str, typer.Option("--tag", "-t", help="Name that the image will have.")] = TAG,
) -> None:
    """Write the whole build context, so that `docker build DIR` is all that is left."""
    _write_context(folder, profile, base_image, tag)
    _tell(f"docker build --tag {tag} {folder}")


@map_app.command("build")
def build_map(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="Name of the image.")] = TAG,
    profile: Kind = ProfileName.CPU,
    base_image: Base = None,
    engine: Annotated[str, typer.Option(help="docker, podman, buildah, ...")] = "docker",
) -> None:
    """Build the image."""
    from lesionmap.app.map_image.engine import build_image

    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch, "context")
        _write_context(context, profile, base_image, tag)
        build_image(context, tag, engine)


def _write_context(folder: Path, profile: ProfileName, base_image: str | None, tag: str) -> None:
    from lesionmap.app.map_image.context import write_context
    from lesionmap.app.map_image.profiles import PROFILES

    chosen = PROFILES[profile]
    write_context(
        folder,
        chosen,
        checkout=find_checkout(),
        base_image=base_image or chosen.base_image,
        tag=tag,
    )


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
    from lesionmap.app.conformance.examine import conforms, examine
    from lesionmap.app.conformance.report import findings_json, print_findings

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
    from lesionmap.app.supply_chain.documents import (
        configured_models,
        permitted_closure,
    )
    from lesionmap.app.supply_chain.sbom import write_sbom

    _deliver(write_sbom(permitted_closure(), configured_models()), target)


@map_app.command("notices")
def notices(target: File = None) -> None:
    """Write the licence texts of all packages of the run time."""
    from lesionmap.app.supply_chain import notices as papers
    from lesionmap.app.supply_chain.documents import (
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
    from lesionmap.app.supply_chain import write_documents

    write_documents(target, without=without or ())


def _deliver(text: str, target: Path | None) -> None:
    if target is None:
        typer.echo(text, nl=False)
    else:
        target.write_text(text, encoding="utf-8")


def _tell(text: str) -> None:
    Console().print(text, highlight=False, soft_wrap=True)
