"""Which samples the segmenter trains on."""

from collections.abc import Iterable
from pathlib import Path

from lesionmap.models.training.datasets import READERS, Sample
from lesionmap.models.training.datasets.organs import read_organs
from lesionmap.models.training.datasets.sarcoma import read_sarcoma
from lesionmap.models.training.datasets.shapes import generate_shapes
from lesionmap.models.training.segmenter_config import SegmenterTraining

SEGMENTER_READERS = {**READERS, "organs": read_organs, "sarcoma": read_sarcoma}


def read_samples(names: Iterable[str], root: Path) -> list[Sample]:
    """Read stored data sets, organs included, in the order given."""
    return [sample for name in names for sample in SEGMENTER_READERS[name](root)]


def training_samples(config: SegmenterTraining, root: Path) -> list[Sample]:
    """Read the training split of every data set that has a share; draw the shapes."""
    stored = [name for name in config.shares if name in SEGMENTER_READERS]
    samples = [sample for sample in read_samples(stored, root) if sample.split == "train"]
    if "shapes" in config.shares:
        samples += generate_shapes(config.shape_count, config.seed)
    return samples
