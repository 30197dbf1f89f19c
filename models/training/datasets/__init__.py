"""The training data sets, each read into the same ``Sample``."""

from collections.abc import Iterable
from pathlib import Path

from lesionmap.models.training.datasets.brain import read_brain
from lesionmap.models.training.datasets.breast import read_breast
from lesionmap.models.training.datasets.chest import read_chest
from lesionmap.models.training.datasets.polyps import read_polyps
from lesionmap.models.training.datasets.sample import Sample
from lesionmap.models.training.datasets.sarcoma import read_sarcoma

__all__ = ["READERS", "Sample", "load_samples"]

READERS = {
    "brain": read_brain,
    "breast": read_breast,
    "polyps": read_polyps,
    "sarcoma": read_sarcoma,
    "chest": read_chest,
}


def load_samples(names: Iterable[str], root: Path | str) -> list[Sample]:
    """Read the named data sets below ``root``, in the order given.

    Raises:
        ValueError: a name is not in ``READERS``.
    """
    wanted = list(names)
    unknown = sorted(set(wanted) - set(READERS))
    if unknown:
        raise ValueError(f"unknown data sets {unknown}; known are {sorted(READERS)}")
    return [sample for name in wanted for sample in READERS[name](Path(root))]
