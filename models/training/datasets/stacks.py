"""Volumes as stacks of slices in the network's square, with the objects that run through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from scipy import ndimage

from lesionmap.models.core.intensity import to_display
from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.training.datasets.organs import COARSE, CT, MR, SMALLEST_SHARE, read_nifti
from lesionmap.models.training.datasets.sample import Sample, Split
from lesionmap.models.training.datasets.sarcoma import read_sarcoma

LEAST_SLICES = 4
"""An object on fewer slices teaches nothing about following it."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one series and, for each object, the share of each pixel it covers (0..255)."""

    source: str
    name: str
    patient: str
    split: Split
    images: UInt8[np.ndarray, "slices s s"]
    objects: tuple[UInt8[np.ndarray, "slices s s"], ...]


def read_sarcoma_stacks(root: Path, size: int) -> list[Stack]:
    """Read each sarcoma series with its one tumour; two patients are held out."""
    groups = groupby(read_sarcoma(root), key=lambda sample: sample.name[:-4])
    return [_sarcoma_stack(name, list(samples), size) for name, samples in groups]


def _sarcoma_stack(name: str, samples: Sequence[Sample], size: int) -> Stack:
    masks = [
        np.any(sample.masks, axis=0) if sample.masks else np.zeros(sample.image.shape, bool)
        for sample in samples
    ]
    images = np.stack([sample.image for sample in samples])
    first = samples[0]
    return Stack(
        "sarcoma",
        name,
        first.patient,
        first.split,
        _fit(images, size),
        (_fit(np.stack(masks).astype(np.uint8) * 255, size),),
    )


def read_organ_stacks(root: Path, size: int) -> list[Stack]:
    """Read the 3 mm CT and MR with every organ that is one piece on enough slices."""
    stacks = []
    for name, intensity in (("ct_abdomen", CT), ("mr_abdomen", MR)):
        image = to_display(read_nifti(root / COARSE / f"{name}_3mm.nii.gz"), intensity)
        organs = read_nifti(root / COARSE / f"{name}_3mm_organs.nii.gz")
        objects = tuple(
            _fit((organs == organ).astype(np.uint8) * 255, size)
            for organ in np.unique(organs[organs > 0])
            if _is_followable(organs == organ)
        )
        stacks.append(Stack("organs", name, name, "train", _fit(image, size), objects))
    return stacks


def _is_followable(mask: Shaped[np.ndarray, "slices rows columns"]) -> bool:
    """Say whether an object is large enough, and mostly one piece, on enough slices."""
    large = [plane for plane in mask if plane.sum() >= SMALLEST_SHARE * plane.size]
    single = [plane for plane in large if ndimage.label(plane)[1] == 1]
    return len(single) >= LEAST_SLICES and len(single) > 0.7 * len(large)


def _fit(
    planes: UInt8[np.ndarray, "slices rows columns"], size: int
) -> UInt8[np.ndarray, "slices s s"]:
    letterbox = Letterbox(planes.shape[1], planes.shape[2], size)
    return np.stack([letterbox.fit_uint8(plane) for plane in planes])


STACK_READERS = {"sarcoma": read_sarcoma_stacks, "organs": read_organ_stacks}
