"""Endoscopy frames with polyps, in colour; no patient numbers, similar frames together.

Source: HyperKvasir, doi:10.1038/s41597-020-00622-y (CC BY 4.0).
"""

from pathlib import Path
from typing import Any

import numpy as np

from lesionmap.models.training.datasets.manifest import (
    read_colour,
    read_items,
    read_mask,
    split_lesions,
)
from lesionmap.models.training.datasets.sample import Sample, boxes_of

FOLDER = "lesion_polyps_endoscopy"


def read_polyps(root: Path) -> list[Sample]:
    """Read all frames below ``root``."""
    folder = root / FOLDER
    return [_read_one(folder, item) for item in read_items(folder)]


def _read_one(folder: Path, item: dict[str, Any]) -> Sample:
    hints = np.array(item["boxes_xyxy"], np.float32).reshape(-1, 4)
    masks = split_lesions(read_mask(folder / item["mask"]), hints)
    return Sample(
        source="polyps",
        name=Path(item["image"]).stem,
        patient=Path(item["image"]).stem,
        split="val" if item["split"] == "val" else "train",
        modality="ES",
        image=read_colour(folder / item["image"]),
        masks=masks,
        boxes=boxes_of(masks),
    )
