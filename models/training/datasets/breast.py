"""Breast ultrasound; normal images have no lesion and count as negatives.

There are no patient numbers: each image stands for itself, and the manifest keeps
similar images on one side of the split.

Source: BUSI, Al-Dhabyani 2020, doi:10.1016/j.dib.2019.104863 (CC BY 4.0).
"""

from pathlib import Path
from typing import Any

import numpy as np

from lesionmap.models.training.datasets.manifest import (
    read_grey,
    read_items,
    read_mask,
    split_lesions,
)
from lesionmap.models.training.datasets.sample import Sample, boxes_of

FOLDER = "lesion_breast_us_masks"


def read_breast(root: Path) -> list[Sample]:
    """Read all breast images below ``root``."""
    folder = root / FOLDER
    return [_read_one(folder, item) for item in read_items(folder)]


def _read_one(folder: Path, item: dict[str, Any]) -> Sample:
    hints = np.array(item["boxes_xyxy"], np.float32).reshape(-1, 4)
    masks = split_lesions(read_mask(folder / item["mask"]), hints) if len(hints) else ()
    return Sample(
        source="breast",
        name=Path(item["image"]).stem,
        patient=Path(item["image"]).stem,
        split="val" if item["split"] == "val" else "train",
        modality="US",
        image=read_grey(folder / item["image"]),
        masks=masks,
        boxes=boxes_of(masks),
    )
