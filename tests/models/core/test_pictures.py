"""Pictures of findings: lines where the voxels are, true aspect, the right window and letters."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.intensity import FixedWindow, FullRange
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.orientation import direction_letters, edge_letters
from lesionmap.models.core.overlay import render_finding
from lesionmap.models.core.overview import has_sides, render_overview
from lesionmap.models.core.palette import lesion_colour
from lesionmap.models.core.projection import three_sides
from lesionmap.models.core.strokes import distance_to_box, distance_to_outline, distance_to_segment
from lesionmap.models.core.view import View
from lesionmap.models.core.viewing import for_people
from lesionmap.models.core.volume import Grid, ImageVolume

STRIP = 30
"""Height of the caption above the panels."""


def grid_of(shape, spacing=(3.0, 0.8, 0.8), frame="1.2.3"):
    return Grid(np.diag([*spacing, 1.0])[[2, 1, 0, 3]], shape, frame)


def volume_of(voxels, grid, modality="MR", **options):
    sources = tuple(str(n) for n in range(len(voxels)))
    return ImageVolume(voxels, grid, modality, sources, **options)


def lesion_of(inside, grid):
    mask = Mask.crop(inside, grid)
    box = Box2D(mask.origin[0], mask.origin[2], mask.origin[1], *mask.voxels.shape[:0:-1])
    return Lesion("Lesion", 0.75, mask, (Detection(box, "lesion", 0.75),))


def black(grid, modality="MR"):
    return DisplayVolume(volume_of(np.zeros(grid.shape, np.uint8), grid, modality), FullRange())


def painted(picture, colour):
    """Return rows and columns of the pixels in exactly this colour."""
    return np.nonzero((np.asarray(picture) == colour).all(axis=-1))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.floats(0.3, 2), st.floats(0.3, 2)),
    st.tuples(st.integers(2, 12), st.integers(2, 12)),
    st.tuples(st.integers(4, 14), st.integers(4, 14)),
)
def test_the_outline_runs_on_the_edge_of_the_mask(spacing, corner, extent):
    inside = np.zeros((30, 30), bool)
    (top, left), (height, width) = corner, extent
    inside[top : top + height, left : left + width] = True
    view = View.whole((30, 30), spacing, (640, 512))
    distance = distance_to_outline(view.enlarge(inside))
    x, y = view.place(left, top + height / 2)
    right = view.place(left + width, 0)[0]
    for edge in (x, right):
        near = distance[int(y), int(edge) - 2 : int(edge) + 3]
        assert abs(int(edge) - 2 + int(np.argmin(near)) + 0.5 - edge) <= 1.0


def test_no_pixel_changes_sides_when_its_outline_is_smoothed():
    inside = np.random.default_rng(0).random((24, 31)) < 0.4
    field = View(0, 0, 31, 24, 31 * 9, 24 * 9).enlarge(inside)
    assert np.array_equal(field[4::9, 4::9] > 0.5, inside)


def test_a_single_pixel_has_an_outline_around_it():
    inside = np.zeros((9, 9), bool)
    inside[4, 4] = True
    field = View(0, 0, 9, 9, 180, 180).enlarge(inside)
    rows, columns = np.nonzero(field > 0.5)
    assert (rows.min(), rows.max()) == pytest.approx((80, 99), abs=2)
    assert np.array_equal([rows.min(), rows.max()], [columns.min(), columns.max()])


def test_lines_lie_where_they_are_told():
    assert distance_to_segment((4, 9), (1.5, 2.5), (7.5, 2.5))[2].tolist() == [
        1, 0, 0, 0, 0, 0, 0, 0, 1,
    ]  # fmt: skip
    edge = distance_to_box((6, 6), (1.0, 1.0), (5.0, 4.0))
    assert edge[2].tolist() == [0.5, 0.5, 1.5, 1.5, 0.5, 0.5]


def test_the_box_is_drawn_in_pixel_edges():
    grid = grid_of((1, 64, 64))
    inside = np.zeros(grid.shape, bool)
    inside[0, 16:32, 8:24] = True
    picture = np.asarray(render_finding(black(grid), lesion_of(inside, grid), ()))
    context = picture[STRIP : STRIP + 512, :512].astype(int)
    across = context[200, :, 0] - context[200, :, 2]
    assert [int(np.argmax(across[:128])), 128 + int(np.argmax(across[128:]))] in (
        [63, 191],
        [64, 191],
        [63, 192],
        [64, 192],
    )


def test_pixels_that_are_not_square_are_drawn_in_millimetres():
    grid = grid_of((1, 80, 320), (3.0, 1.0, 0.25))
    _, y, x = np.indices(grid.shape)
    inside = (y - 39.5) ** 2 + ((x - 159.5) * 0.25) ** 2 < 15**2
    picture = render_finding(black(grid), lesion_of(inside, grid), ())
    rows, columns = painted(picture, lesion_colour(1))
    close_up = columns > 512
    height, width = np.ptp(rows[close_up]), np.ptp(columns[close_up])
    assert height == pytest.approx(width, rel=0.02)


@pytest.mark.parametrize("pixel_mm", [0.3, 0.8, 4.0])
def test_the_bar_is_as_long_as_it_says(pixel_mm, monkeypatch):
    said = []
    monkeypatch.setattr(
        "lesionmap.models.core.lettering.write",
        lambda _picture, _place, text, **_: said.append(text),
    )
    grid = grid_of((1, 64, 64), (3.0, pixel_mm, pixel_mm))
    inside = np.zeros(grid.shape, bool)
    inside[0, 20:40, 20:40] = True
    picture = render_finding(black(grid), lesion_of(inside, grid), ())
    bars = [float(text.removesuffix(" mm")) for text in said if text.endswith(" mm")]
    rows, columns = painted(picture, (245, 245, 245))
    bar = columns[(rows == STRIP + 512 - 11) & (columns < 512)]
    assert len(bars) == 2
    assert np.ptp(bar) + 1 == pytest.approx(bars[0] / pixel_mm * 512 / 64, abs=1)


def test_without_a_scale_there_is_no_bar_and_without_a_frame_no_letter(monkeypatch):
    said = []
    monkeypatch.setattr(
        "lesionmap.models.core.lettering.write",
        lambda _picture, _place, text, **_: said.append(text),
    )
    grid = Grid(np.eye(4), (1, 20, 20), unit="pixel", has_depth=False)
    inside = np.zeros(grid.shape, bool)
    inside[0, 5:9, 5:9] = True
    render_finding(black(grid, "US"), lesion_of(inside, grid), ())
    assert said == []


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 3, 200), (2, 200, 3), (1, 1200, 1600)])
def test_odd_sizes_are_drawn(shape):
    grid = grid_of(shape)
    inside = np.zeros(shape, bool)
    inside[-1, -1, -1] = True
    picture = render_finding(black(grid), lesion_of(inside, grid), ())
    assert picture.width <= 640 + 4 + 512
    assert painted(picture, lesion_colour(1))[0].size > 0


def test_other_lesions_on_the_slice_are_in_their_own_colours():
    grid = grid_of((1, 60, 60))
    masks = np.zeros((2, *grid.shape), bool)
    masks[0, 0, 5:15, 5:15] = masks[1, 0, 40:50, 30:50] = True
    lesions = [lesion_of(inside, grid) for inside in masks]
    picture = render_finding(black(grid), lesions[0], lesions)
    _, columns = painted(picture, lesion_colour(2))
    assert 0 < columns.max() < 512
    _, columns = painted(picture, lesion_colour(1))
    assert columns.min() > 512


def test_low_is_white_is_shown_bright_and_colour_in_colour():
    grid = grid_of((1, 30, 30))
    inside = np.zeros(grid.shape, bool)
    inside[0, 20:24, 20:24] = True
    turned = volume_of(np.zeros(grid.shape, np.uint8), grid, low_is_white=True)
    picture = render_finding(DisplayVolume(turned, FullRange()), lesion_of(inside, grid), ())
    assert picture.getpixel((100, 100)) == (255, 255, 255)
    red = np.zeros((*grid.shape, 3), np.uint8)
    red[..., 0] = 200
    picture = render_finding(
        DisplayVolume(volume_of(red, grid, "ES"), FullRange()), lesion_of(inside, grid), ()
    )
    assert picture.getpixel((100, 100)) == (200, 0, 0)


def test_ct_is_shown_in_the_lung_window_where_lung_surrounds_the_lesion():
    grid = grid_of((3, 60, 60))
    hounsfield = np.full(grid.shape, 40, np.int16)
    hounsfield[:, :, :30] = -850
    inside = np.zeros((2, *grid.shape), bool)
    inside[0, 1, 20:26, 10:16] = inside[1, 1, 20:26, 45:51] = True
    hounsfield[inside[0]] = 50
    display = DisplayVolume(volume_of(hounsfield, grid, "CT"), FixedWindow(-160, 240))
    lung, tissue = (for_people(display, Mask.crop(part, grid)) for part in inside)
    assert (lung.display.window, tissue.display.window) == ((-1350.0, 150.0), (-160.0, 240.0))
    assert ("lung" in lung.remark, "soft tissue" in tissue.remark) == (True, True)


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -2), "F"),
        ((0.6, -0.8, 0), "AL"),
        ((0.97, 0.1, 0.2), "L"),
        ((-0.4, 0.5, 0.77), "HPR"),
    ],
)
def test_directions_have_the_letters_of_the_standard(direction, letters):
    assert direction_letters(np.array(direction, float)) == letters


def test_edges_of_an_axial_slice():
    assert edge_letters(np.array([1.0, 0, 0]), np.array([0, 1.0, 0])) == ("R", "A", "L", "P")


def test_a_patient_looks_the_same_from_three_sides_however_the_slices_were_taken():
    rng = np.random.default_rng(1)
    patient = rng.integers(0, 255, (4, 5, 6), np.uint8)  # z towards H, y towards P, x towards L
    expected = [patient[::-1].max(axis=0), patient[::-1].max(axis=1), patient[::-1].max(axis=2)]
    for order in permutations(range(3)):
        for flips in product((False, True), repeat=3):
            stored = patient.transpose(order)
            affine = np.eye(4)
            affine[:3, :3] = np.eye(3)[:, ::-1][:, list(order)]
            for axis, flip in enumerate(flips):
                if flip:
                    stored = np.flip(stored, axis)
                    affine[:3, axis] *= -1
            sides = three_sides(Grid(affine, stored.shape, "1.2.3"))
            for side, picture in zip(sides, expected, strict=True):
                assert np.array_equal(side.arrange(stored, np.max), picture)
            letters = [edge_letters(*side.directions) for side in sides]
            assert letters == [tuple("RALP"), tuple("RHLF"), tuple("AHPF")]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_overview_shows_every_lesion_where_it_is(modality):
    grid = grid_of((20, 50, 50), (4.0, 1.0, 1.0))
    masks = np.zeros((2, *grid.shape), bool)
    masks[0, 2:5, 10:20, 10:20] = masks[1, 14:18, 30:45, 25:40] = True
    lesions = [lesion_of(inside, grid) for inside in masks]
    voxels = np.random.default_rng(2).integers(0, 200, grid.shape).astype(np.int16)
    display = DisplayVolume(volume_of(voxels, grid, modality), FullRange())
    picture = render_overview(display, lesions)
    scale = min(1180 / 150, 420 / 80)
    for number, centre in ((1, 15.0), (2, 32.5)):
        _, columns = painted(picture, lesion_colour(number))
        axial = columns < 50 * scale
        middle = (np.ptp(columns[axial]) / 2 + columns[axial].min()) / scale
        assert middle == pytest.approx(centre, abs=1.0)


def test_an_image_without_a_place_has_no_overview():
    grid = Grid(np.eye(4), (1, 20, 20), unit="pixel", has_depth=False)
    display = black(grid, "US")
    assert not has_sides(display.volume)
    with pytest.raises(ValueError, match="without a place"):
        render_overview(display, ())
