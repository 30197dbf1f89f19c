"""Make the pictures of the README from a run on the phantom study: `make docs-pictures`.

    python docs/pictures.py demo/out docs

The page is taken by Chromium (Debian package `chromium`).
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

_SHOWN = ("001/lesion-001.png", "002/lesion-001.png", "003/lesion-001.png", "001/overview.png")
_TILE_PX, _GAP_PX = 520, 8
_PAGE_PX = (1180, 1100)
_PAPER = (255, 255, 255)
_LEAST_COLOUR, _HUES = 12, 96


def main() -> None:
    """Write demo.png, four pictures in two rows, and report.png, the top of the page."""
    run, target = Path(sys.argv[1]), Path(sys.argv[2])
    _save(_tile([_fit(Image.open(run / name)) for name in _SHOWN]), target / "demo.png")
    with tempfile.TemporaryDirectory() as scratch:
        _save(_photograph(run / "report.html", Path(scratch)), target / "report.png")


def _fit(picture: Image.Image) -> Image.Image:
    height = round(picture.height * _TILE_PX / picture.width)
    return picture.resize((_TILE_PX, height), Image.Resampling.LANCZOS)


def _tile(pictures: list[Image.Image]) -> Image.Image:
    rows = [pictures[:2], pictures[2:]]
    heights = [max(picture.height for picture in row) for row in rows]
    sheet = Image.new("RGB", (2 * _TILE_PX + _GAP_PX, sum(heights) + _GAP_PX), _PAPER)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = column * (_TILE_PX + _GAP_PX)
            sheet.paste(picture, (left, top + (height - picture.height) // 2))
        top += height + _GAP_PX
    return sheet


def _photograph(page: Path, scratch: Path) -> Image.Image:
    shot = scratch / "page.png"
    browser = ("chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu")
    size = f"--window-size={_PAGE_PX[0]},{_PAGE_PX[1]}"
    command = (*browser, size, f"--screenshot={shot}", page.resolve().as_uri())
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return Image.open(shot).convert("RGB")


def _save(picture: Image.Image, path: Path) -> None:
    """Write a PNG of 256 colours, most of them greys: small enough for a repository."""
    pixels = np.asarray(picture)
    coloured = pixels[np.ptp(pixels, axis=-1) > _LEAST_COLOUR]
    hues = Image.fromarray(coloured[None]).quantize(_HUES, Image.Quantize.MAXCOVERAGE)
    greys = np.linspace(0, 255, 256 - _HUES).round().astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.repeat(greys, 3).tobytes() + bytes(hues.getpalette() or ()))
    shown = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    shown.save(path, optimize=True)


if __name__ == "__main__":
    main()
