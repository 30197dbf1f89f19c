"""The training data sets: splits, boxes, masks and geometry."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lesionmap.models.training.datasets import READERS, load_samples
from lesionmap.models.training.datasets.dicom_stack import AxialStack, rasterise
from lesionmap.models.training.datasets.manifest import read_items, split_lesions
from lesionmap.models.training.datasets.sample import Sample, mask_box

pytestmark = pytest.mark.workshop


def square(row, column, side=10, size=64):
    mask = np.zeros((size, size), bool)
    mask[row : row + side, column : column + side] = True
    return mask


def test_the_box_of_a_mask_lies_on_pixel_edges():
    assert mask_box(square(3, 5, side=1)).tolist() == [5, 3, 6, 4]
    with pytest.raises(ValueError, match="empty"):
        mask_box(np.zeros((4, 4), bool))


def test_islands_go_to_the_box_that_covers_them():
    mask = square(5, 5) | square(5, 20) | square(40, 40)
    boxes = np.array([[0, 0, 35, 20], [38, 38, 52, 52]], np.float32)
    first, second = split_lesions(mask, boxes)
    assert (first == (square(5, 5) | square(5, 20))).all()
    assert (second == square(40, 40)).all()


def test_without_boxes_every_island_is_a_lesion_and_specks_are_not():
    mask = square(5, 5) | square(40, 40) | square(60, 0, side=2)
    assert len(split_lesions(mask, np.zeros((0, 4), np.float32))) == 2


def stack(slices=3, size=40, spacing=(2.0, 1.0)):
    return AxialStack(
        voxels=np.zeros((slices, size, size), np.float32),
        z_mm=np.arange(slices) * 3.0,
        corner_mm=(-10.0, 100.0),
        spacing_mm=spacing,
        files=("a", "b", "c")[:slices],
    )


def rectangle(left, top, right, bottom, z):
    return np.array([[left, top, z], [right, top, z], [right, bottom, z], [left, bottom, z]])


def test_contours_land_on_their_slice_in_millimetres():
    # Rows are 2 mm and columns 1 mm apart: 10.5 to 20.5 mm are columns 11 to 20.
    contour = rectangle(-10 + 10.5, 100 + 9, -10 + 20.5, 100 + 29, 3.1)
    mask = rasterise([contour], stack())
    assert not mask[0].any()
    assert not mask[2].any()
    assert mask_box(mask[1]).tolist() == [11, 5, 21, 15]


def test_an_inner_contour_is_a_hole():
    outer, inner = rectangle(0, 110, 20, 150, 0.0), rectangle(5, 120, 10, 130, 0.0)
    mask = rasterise([outer, inner], stack())
    assert mask[0, 7, 12]
    assert not mask[0, 12, 17]


def test_contours_between_slices_are_left_out():
    assert not rasterise([rectangle(0, 110, 20, 150, 1.5)], stack()).any()


def test_samples_that_do_not_fit_together_are_refused():
    image, box = np.zeros((8, 8), np.uint8), np.array([[1, 1, 3, 3]], np.float32)
    with pytest.raises(ValueError, match="2 masks, 1 boxes"):
        Sample("s", "n", "p", "val", "MR", image, (image > 1, image > 1), box)
    with pytest.raises(ValueError, match="differs in shape"):
        Sample("s", "n", "p", "val", "MR", image, (np.ones((4, 4), bool),), box)
    with pytest.raises(ValueError, match="empty"):
        Sample("s", "n", "p", "val", "MR", image, (), box[:, [2, 1, 0, 3]])


def test_unknown_data_sets_are_refused():
    with pytest.raises(ValueError, match="liver"):
        load_samples(["brain", "liver"], Path())


@pytest.fixture(scope="module")
def samples(shared_images):
    return load_samples(READERS, shared_images)


@pytest.mark.data
def test_no_patient_stands_on_both_sides(samples):
    sides = {
        side: {(s.source, s.patient) for s in samples if s.split == side}
        for side in ("train", "val")
    }
    assert not sides["train"] & sides["val"]


@pytest.mark.data
def test_counts_are_those_of_the_manifests(samples):
    counts = Counter((s.source, s.split) for s in samples)
    assert (counts["brain", "train"], counts["brain", "val"]) == (1356, 166)
    assert (counts["breast", "train"], counts["breast", "val"]) == (365, 49)
    assert (counts["polyps", "train"], counts["polyps", "val"]) == (300, 90)
    assert counts["chest", "val"] == 0
    assert {s.patient for s in samples if (s.source, s.split) == ("sarcoma", "val")} == {
        "STS_032",
        "STS_041",
    }
    assert {s.modality for s in samples if s.source == "sarcoma"} == {"CT", "MR"}


@pytest.mark.data
@pytest.mark.parametrize("source", ["brain", "breast"])
def test_boxes_are_those_of_the_manifest(samples, source, shared_images):
    folders = {"brain": "lesion_brain_mr_t1c", "breast": "lesion_breast_us_masks"}
    by_name = {s.name: s for s in samples if s.source == source}
    for item in read_items(shared_images / folders[source]):
        boxes = by_name[Path(item["image"]).stem].boxes
        assert sorted(boxes.tolist()) == sorted(item["boxes_xyxy"])


@pytest.mark.data
def test_normal_breasts_and_slices_without_contour_are_negatives(samples):
    negatives = Counter((s.source, s.split) for s in samples if not len(s.boxes))
    assert negatives["breast", "train"] == 50
    assert negatives["breast", "val"] == 9
    assert negatives["chest", "train"] == 53
    assert negatives["brain", "train"] == 0
