"""OHIF draws each lesion where its mask is, and nothing on any other slice."""

import numpy as np
import pydicom
import pytest

from tests.viewer.cases import CASES
from tests.viewer.conftest import SCREENSHOTS
from tests.viewer.drawn import expected_labels, long_axes, overlap
from tests.viewer.ohif import coloured
from tests.viewer.programs import wait_until

LEAST_OVERLAP = 0.93
"""A mask of a thousand pixels, drawn with a line around it; half a pixel away is 0.9."""

SWAPS_SPACING = "OHIF 3.13.2 takes row for column spacing where it places the points of an SR"


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


@pytest.mark.parametrize(
    "name",
    [
        "three lesions",
        "sagittal",
        pytest.param("oblique", marks=pytest.mark.xfail(reason=SWAPS_SPACING, strict=True)),
    ],
)
def test_the_line_of_every_measurement_is_drawn_on_its_slice(name, archive, open_page):
    url, results = archive
    result, view = results[name], open_page(url)
    header = pydicom.dcmread(result.seg.with_name("sr.dcm"))
    view.open(header.StudyInstanceUID, header.SeriesInstanceUID)
    axes = long_axes(header, result.slices)
    assert len(axes) == CASES[name]["lesions"]
    check_lines(view, axes)
    view.screenshot(SCREENSHOTS / f"report-{name.replace(' ', '-')}.png")
    assert view.errors == []


def check_lines(view, axes):
    """Scroll to each long axis, and compare its line with its points."""
    wait_until(lambda: len(view.lines()), seconds=60, what=f"no line of a report: {view.errors}")
    for slice_uid, ends in axes:
        view.show_instance(slice_uid)
        wanted = view.project(ends)
        wait_until(
            lambda: any(is_same_line(line, wanted) for line in view.lines()),  # noqa: B023
            seconds=20,
            what=f"no line from and to {wanted.tolist()}, but {view.lines().tolist()}",
        )
        assert share_of_colour(view.viewport_picture(), wanted) > 0.3, "dashes are half of it"


def is_same_line(first, second):
    return min(np.abs(first - second).max(), np.abs(first[::-1] - second).max()) < 1.5


def share_of_colour(picture, ends):
    """Return how much of a line is coloured, within two pixels."""
    found = coloured(picture)
    steps = np.rint(np.linspace(*ends, num=100)).astype(int)
    return np.mean([found[y - 2 : y + 3, x - 2 : x + 3].any() for x, y in steps])
