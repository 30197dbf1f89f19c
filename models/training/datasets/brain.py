"""Brain MR, T1 after contrast: one tumour a slice, split by patient.

Source: Cheng, figshare, doi:10.6084/m9.figshare.1512427.v5 (CC BY 4.0).
"""

from pathlib import Path

from lesionmap.models.core.intensity import PercentileWindow, to_display
from lesionmap.models.training.datasets.manifest import read_grey, read_items, read_mask
from lesionmap.models.training.datasets.sample import Sample, boxes_of

FOLDER = "lesion_brain_mr_t1c"
WINDOW = PercentileWindow(0.5, 99.5)


def read_brain(root: Path) -> list[Sample]:
    """Read all brain slices below ``root``."""
    folder = root / FOLDER
    return [_read_one(folder, item) for item in read_items(folder)]


def _read_one(folder: Path, item: dict[str, str]) -> Sample:
    mask = read_mask(folder / item["mask"])
    image = to_display(read_grey(folder / item["image"]), WINDOW)
    return Sample(
        source="brain",
        name=Path(item["image"]).stem,
        patient=item["patient"],
        split="val" if item["split"] == "val" else "train",
        modality="MR",
        image=image,
        masks=(mask,),
        boxes=boxes_of((mask,)),
    )
