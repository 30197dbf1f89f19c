"""OHIF draws each lesion where its mask is, and nothing on any other slice."""

import numpy as np
import pytest

from tests.viewer.cases import CASES
from tests.viewer.conftest import SCREENSHOTS
from tests.viewer.drawn import expected_labels, overlap
from tests.viewer.ohif import coloured

LEAST_OVERLAP = 0.93
"""A mask of a thousand pixels, drawn with a line around it; half a pixel away is 0.9."""


def check_every_slice(view, result):
    """Compare the colour of every pixel on every slice with the segments of the SEG."""
    labels, colours = result.labels(), result.colours()
    for piece in result.slices:
        view.show_instance(piece.sop_instance_uid)
        canvas = view.canvas()
        found = coloured(canvas)
        wanted = expected_labels(view, piece, labels[piece.sop_instance_uid], found.shape)
        if not wanted.any():
            assert not found.any(), "colour on a slice without a lesion"
            continue
        assert overlap(found, wanted > 0) > LEAST_OVERLAP
        for number in np.unique(wanted[wanted > 0]):
            check_colour(canvas[found & (wanted == number)], colours[number])


def check_colour(pixels, colour):
    """The fill is a blend of the colour with grey: its direction away from grey is kept."""
    found = np.median(pixels - pixels.mean(axis=1, keepdims=True), axis=0)
    wanted = colour - colour.mean()
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.97


@pytest.mark.parametrize("name", CASES)
def test_every_pixel_of_every_slice_has_the_colour_of_its_lesion(name, archive, open_page):
    url, results = archive
    result, view = results[name], open_page(url)
    view.open(result.header.StudyInstanceUID, result.header.SeriesInstanceUID)
    segments = view.wait_for_segments()
    assert segments == [str(item.SegmentLabel) for item in result.header.SegmentSequence]
    labels = result.labels()
    for number in range(1, len(segments) + 1):
        shown = view.jump_to_segment(number)
        view.screenshot(SCREENSHOTS / f"{name.replace(' ', '-')}-{number}.png")
        assert (labels[shown] == number).any(), "the jump ends on a slice without the lesion"
    check_every_slice(view, result)
    assert view.errors == []
