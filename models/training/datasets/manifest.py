"""Folders of images with a ``manifest.json``: items, pixels, and one mask a lesion."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image
from scipy import ndimage

from lesionmap.models.training.datasets.sample import mask_box

# Smaller islands are JPEG or scaling residue of the outline, not lesions.
SMALLEST_ISLAND_PX = 20


def read_items(folder: Path) -> list[dict[str, Any]]:
    """Return the items of a folder's manifest, in the manifest's order."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return list(manifest["items"])


def read_grey(path: Path) -> UInt8[np.ndarray, "rows columns"]:
    """Read an image file as 8-bit grey."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def read_colour(path: Path) -> UInt8[np.ndarray, "rows columns 3"]:
    """Read an image file as 8-bit RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_mask(path: Path) -> Bool[np.ndarray, "rows columns"]:
    """Read a mask file; anything above half of its maximum is lesion."""
    grey = read_grey(path)
    return grey > max(int(grey.max()), 1) // 2


def split_lesions(
    mask: Bool[np.ndarray, "rows columns"], boxes: Float32[np.ndarray, "n 4"]
) -> tuple[Bool[np.ndarray, "rows columns"], ...]:
    """Divide a mask into one mask a lesion, guided by the boxes of the manifest.

    Every connected island goes to the box that covers most of it; a box that no
    island belongs to gives no mask. With no boxes at all every island is a lesion.
    """
    islands, count = ndimage.label(mask)
    planes = [islands == n for n in range(1, count + 1)]
    planes = [plane for plane in planes if plane.sum() >= SMALLEST_ISLAND_PX]
    if not len(boxes):
        return tuple(planes)
    owners = [int(np.argmax([_shared(mask_box(p), box) for box in boxes])) for p in planes]
    merged = [
        np.logical_or.reduce([p for p, owner in zip(planes, owners, strict=True) if owner == n])
        for n in sorted(set(owners))
    ]
    return tuple(merged)


def _shared(first: Float32[np.ndarray, " 4"], second: Float32[np.ndarray, " 4"]) -> float:
    """Return the area that two boxes share, in square pixels."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    return float(np.prod(np.maximum(sides, 0)))
