"""One self-contained page on a run: verdicts, numbers, pictures. No link, no script."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from PIL import Image

from lesionmap.models.core.lettering import three_digits
from lesionmap.models.core.palette import lesion_colour
from lesionmap.operators.messages import OutputKind
from lesionmap.operators.run_record import RunRecord, SeriesRecord

_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Picture:
    """A picture as it stands in the page: its caption and its bytes as a data URI."""

    caption: str
    uri: str


def render_html(run: RunRecord, folder: Path) -> str:
    """Return the page on ``run``, with the pictures it wrote below ``folder`` inside.

    Everything is escaped; UIDs and the modality are the only text that comes from DICOM.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"size": _size, "words": _words, "plural": _plural}
    source = (files("lesionmap.operators") / "templates" / "report.html.j2").read_text("utf-8")
    return environment.from_string(source).render(
        run=run,
        colour=lesion_colour,
        overviews=lambda series: list(_pictures(series, "overview", folder)),
        previews=lambda series: list(_pictures(series, "preview", folder)),
    )


def _pictures(series: SeriesRecord, kind: OutputKind, folder: Path) -> Iterator[Picture]:
    paths = [folder / item.path for item in series.outputs if item.kind == kind]
    for number, path in enumerate(paths, start=1):
        name = f"lesion {number}" if kind == "preview" else "the volume from three sides"
        yield Picture(f"Series {series.number}, {name}", _data_uri(path))


def _data_uri(path: Path) -> str:
    """Return a PNG as a JPEG in a data URI: a quarter of the bytes, no difference to the eye."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _size(value: float | None, factor: float = 1.0) -> str:
    return "–" if value is None else three_digits(value * factor)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _plural(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun if noun.endswith('s') else noun + 's'}"
