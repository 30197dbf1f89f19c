"""Licences of the run time: a table to read, and all texts for the image."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackagePath

from lesionmap.app.supply_chain.closure import Package
from lesionmap.app.supply_chain.licences import licence_of

_TEXT = re.compile(r"licen[cs]e|copying|notice|eula", re.IGNORECASE)
_CODE = (".py", ".pyc", ".pyi", ".so", ".rst", ".json")
_RULE = "=" * 78
_HEAD = """\
Third-party software in the run time of LesionMAP. The texts are those that the
packages carry; a text that several carry stands where it comes first.
"""


def licence_table(packages: Sequence[Package]) -> str:
    """Return the licences as a Markdown table, and the reasons where somebody had to look."""
    lines = ["| package | version | licence |", "|---|---|---|"]
    lines += [
        f"| {item.name} | {item.version} | {licence_of(item).expression} |" for item in packages
    ]
    lines += ["", "Where the metadata of a package were not enough:", ""]
    lines += [
        f"- **{item.name}**: {licence_of(item).why}" for item in packages if licence_of(item).why
    ]
    return "\n".join(lines) + "\n"


def notices(packages: Sequence[Package]) -> str:
    """Return the licence texts that the packages carry, each text once."""
    seen: dict[str, str] = {}
    sections = ["\n".join(_section(package, seen)) for package in packages]
    return "\n".join([_HEAD, *sections])


def _section(package: Package, seen: dict[str, str]) -> Iterator[str]:
    licence = licence_of(package)
    yield f"{_RULE}\n{package.name} {package.version}: {licence.expression}"
    if licence.why:
        yield f"({licence.why})"
    texts = dict(licence_texts(package))
    if not texts:
        yield f"The package carries no licence text; see {_home(package)}\n"
    for name, text in texts.items():
        place = seen.setdefault(text, f"{package.name}, {name}")
        repeated = place != f"{package.name}, {name}"
        yield f"\n--- {name}\n\n" + (f"The same text as of {place}.\n" if repeated else text)


def licence_texts(package: Package) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every licence file, or of the licence in the metadata.

    What it should carry and does not comes last.
    """
    paths = sorted({str(path): path for path in package.distribution.files or ()}.items())
    found = [path for name, path in paths if _is_text(path)]
    for path in found:
        yield path.name if len(found) == 1 else str(path), _read(path)
    if not found:
        whole = [text.strip() for text in package.fields("License") if "\n" in text.strip()]
        yield from (("License, in its metadata", text + "\n") for text in whole)
    yield from licence_of(package).texts


def _is_text(path: PackagePath) -> bool:
    in_folder = ".dist-info/licenses/" in str(path)
    return (in_folder or bool(_TEXT.search(path.name))) and path.suffix not in _CODE


def _read(path: PackagePath) -> str:
    return path.read_binary().decode("utf-8", "replace").replace("\r\n", "\n").rstrip() + "\n"


def _home(package: Package) -> str:
    urls = [line.partition(",")[2].strip() for line in package.fields("Project-URL")]
    return next(iter([*package.fields("Home-page"), *urls]), "its page on PyPI")
