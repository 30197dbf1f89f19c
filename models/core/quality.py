"""Doubts about a finding that follow from the finding itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionmap.models.core.components import component_sizes
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.flags import Flag
from lesionmap.models.core.mask import Mask


@dataclass(frozen=True)
class QualityLimits:
    """Where a doubt begins.

    More than ``many_findings`` in a series, a connected part of fewer than
    ``tiny_voxels``, a score under ``low_score``.
    """

    many_findings: int = 30
    tiny_voxels: int = 10
    low_score: float = 0.5


def lesion_flags(lesion: Lesion, limits: QualityLimits) -> tuple[Flag, ...]:
    """Return the doubts about one lesion, in the order of the flags."""
    doubts = {
        Flag.TOUCHES_EDGE: touches_edge(lesion.mask),
        Flag.TINY_COMPONENT: _smallest_part(lesion.mask) < limits.tiny_voxels,
        Flag.LOW_SCORE: lesion.score < limits.low_score,
    }
    return tuple(flag for flag, raised in doubts.items() if raised)


def series_flags(lesions: Sequence[Lesion], limits: QualityLimits) -> tuple[Flag, ...]:
    """Return the doubts about the findings of a series as a whole."""
    return (Flag.TOO_MANY_FINDINGS,) if len(lesions) > limits.many_findings else ()


def touches_edge(mask: Mask) -> bool:
    """Whether a mask reaches the border of its images, or the first or last of several slices.

    The lesion may then go on outside. A single slice has no neighbour that
    could show the rest, in any image, so that reaching it says nothing.
    """
    begins, ends = np.array(mask.origin), np.add(mask.origin, mask.voxels.shape)
    shape = np.array(mask.grid.shape)
    at_edge = (begins == 0) | (ends == shape)
    return bool((at_edge & (shape > 1)).any())


def _smallest_part(mask: Mask) -> int:
    return int(component_sizes(mask.voxels).min())
