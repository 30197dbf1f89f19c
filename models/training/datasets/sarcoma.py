"""Soft-tissue sarcoma, CT and MR of seven patients with contoured tumours.

A demonstrator: seven patients, cropped round the tumour by the publisher, which makes
detection easier than in a whole examination. Slices without a contour are negatives.

Source: TCIA Soft-tissue-Sarcoma, doi:10.7937/K9/TCIA.2015.7GO2GSKS (CC BY 3.0).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from lesionmap.models.core.intensity import (
    FixedWindow,
    Intensity,
    PercentileWindow,
    to_display,
)
from lesionmap.models.training.datasets.dicom_stack import rasterise, read_contours, read_stack
from lesionmap.models.training.datasets.manifest import split_lesions
from lesionmap.models.training.datasets.sample import Sample, Split, boxes_of

FOLDER = "ct_mr_sarcoma_sts_rtstruct"
HELD_OUT = ("STS_032", "STS_041")
SERIES: dict[str, tuple[str, Intensity]] = {
    "CT": ("CT", FixedWindow(-160, 240)),
    "MR": ("MR_T1", PercentileWindow(0.5, 99.5)),
}


def read_sarcoma(root: Path) -> list[Sample]:
    """Read every slice of every series below ``root``."""
    patients = sorted(path for path in (root / FOLDER).iterdir() if path.is_dir())
    return [
        sample
        for patient in patients
        for modality in SERIES
        for sample in _read_series(patient, modality)
    ]


def _read_series(patient: Path, modality: str) -> list[Sample]:
    name, intensity = SERIES[modality]
    stack = read_stack(patient / name / "image")
    (contour_file,) = (patient / name / "mask").iterdir()
    lesion = rasterise(read_contours(contour_file), stack)
    display = to_display(stack.voxels, intensity)
    split: Split = "val" if patient.name in HELD_OUT else "train"
    return [
        _slice_sample(f"{patient.name}_{modality}_{n:03d}", patient.name, split, image, mask)
        for n, (image, mask) in enumerate(zip(display, lesion, strict=True))
    ]


def _slice_sample(
    name: str,
    patient: str,
    split: Split,
    image: UInt8[np.ndarray, "rows columns"],
    mask: Bool[np.ndarray, "rows columns"],
) -> Sample:
    masks = split_lesions(mask, np.zeros((0, 4), np.float32))
    return Sample(
        source="sarcoma",
        name=name,
        patient=patient,
        split=split,
        modality=name.split("_")[2],
        image=image,
        masks=masks,
        boxes=boxes_of(masks),
    )
