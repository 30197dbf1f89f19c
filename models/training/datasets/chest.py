"""One chest CT with boxes round a lung tumour; slices without a box are negatives.

A demonstrator: a single patient, so all of it is training and nothing can be measured.

Source: TCIA Lung-PET-CT-Dx, doi:10.7937/TCIA.2020.NNC2-0461 (CC BY 4.0).
"""

import json
from pathlib import Path

import numpy as np

from lesionmap.models.core.intensity import FixedWindow, to_display
from lesionmap.models.training.datasets.dicom_stack import read_stack
from lesionmap.models.training.datasets.sample import Sample

FOLDER = "ct_chest_lung_tumour_A0001"
PATIENT = "A0001"
WINDOW = FixedWindow(-160, 240)


def read_chest(root: Path) -> list[Sample]:
    """Read every slice below ``root``."""
    folder = root / FOLDER
    stack = read_stack(folder / "dicom")
    boxes = _boxes_by_file(folder / "boxes.json")
    display = to_display(stack.voxels, WINDOW)
    return [
        Sample(
            source="chest",
            name=f"{PATIENT}_CT_{n:03d}",
            patient=PATIENT,
            split="train",
            modality="CT",
            image=image,
            masks=(),
            boxes=np.array(boxes.get(file, []), np.float32).reshape(-1, 4),
        )
        for n, (image, file) in enumerate(zip(display, stack.files, strict=True))
    ]


def _boxes_by_file(path: Path) -> dict[str, list[list[float]]]:
    """Return the boxes of every file name.

    The annotations are PASCAL VOC files. Whether their maxima are inclusive is not
    stated by the publisher; read as edges, the error is at most one pixel of fifty.
    """
    found: dict[str, list[list[float]]] = {}
    for row in json.loads(path.read_text())["boxes"]:
        found.setdefault(Path(row["file"]).name, []).append(row["xyxy"])
    return found
