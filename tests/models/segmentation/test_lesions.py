import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.intensity import FullRange
from lesionmap.models.core.volume import Grid, ImageVolume
from lesionmap.models.segmentation.lesions import segment_lesions


class FilledBoxes:
    """Fills every box and counts the slices it encodes."""

    def __init__(self):
        self.encoded = 0

    def encode(self, image):
        self.encoded += 1
        return image.shape[:2]

    def decode(self, embedding, boxes):
        planes = np.full((len(boxes), *embedding), -1, np.float32)
        for plane, box in zip(planes, boxes, strict=True):
            left, top, right, bottom = (round(edge) for edge in box.xyxy)
            plane[top:bottom, left:right] = 1
        return planes


def volume(slices=8, rows=60, columns=70):
    voxels = np.zeros((slices, rows, columns), np.uint8)
    grid = Grid(np.eye(4), voxels.shape)
    sources = tuple(f"1.2.{n}" for n in range(slices))
    return DisplayVolume(ImageVolume(voxels, grid, "OT", sources), FullRange())


def detect(slice_index, x, y=10, side=20, score=0.5):
    return Detection(Box2D(slice_index, x, y, side, side), "lesion", score)


def test_a_column_of_boxes_is_one_lesion_with_all_its_voxels():
    column = [detect(z, 10, score=0.4 + z / 10) for z in range(2, 5)]
    (lesion,) = segment_lesions(volume(), column, FilledBoxes())
    assert lesion.mask.voxel_count == 3 * 20 * 20
    assert lesion.mask.slices == slice(2, 5)
    assert lesion.score == pytest.approx(0.8)
    assert list(lesion.detections) == column


def test_a_bridged_gap_stays_empty():
    (lesion,) = segment_lesions(volume(), [detect(1, 10), detect(3, 10)], FilledBoxes())
    assert np.count_nonzero(lesion.mask.voxels, axis=(1, 2)).tolist() == [400, 0, 400]


def test_a_pixel_that_two_lesions_claim_goes_to_the_higher_score():
    low, high = detect(0, 10, score=0.3), detect(0, 22, score=0.9)
    first, second = segment_lesions(volume(), [low, high], FilledBoxes())
    assert first.score == pytest.approx(0.9)
    assert first.mask.voxel_count == 400
    assert second.mask.voxel_count == 400 - 8 * 20


def test_the_score_of_the_lesion_decides_not_that_of_the_box():
    strong = [detect(0, 10, score=0.2), detect(1, 10, score=0.9)]
    weak = [detect(0, 22, score=0.5)]
    first, second = segment_lesions(volume(), [*strong, *weak], FilledBoxes())
    assert first.mask.voxel_count == 800
    assert second.mask.voxel_count == 400 - 8 * 20


def test_a_lesion_without_a_pixel_is_dropped():
    outer, inner = detect(0, 10, score=0.9), detect(0, 15, 15, 4, score=0.2)
    assert len(segment_lesions(volume(), [outer, inner], FilledBoxes())) == 1


def test_each_slice_is_encoded_once_and_reported():
    segmenter, steps = FilledBoxes(), []
    boxes = [detect(1, 10), detect(1, 45), detect(4, 10)]
    segment_lesions(volume(), boxes, segmenter, on_slice=lambda *step: steps.append(step))
    assert segmenter.encoded == 2
    assert steps == [(1, 2), (2, 2)]


def test_nothing_found_is_no_lesion():
    assert segment_lesions(volume(), [], FilledBoxes()) == []


detections = st.lists(
    st.builds(
        detect,
        st.integers(0, 7),
        st.integers(0, 45),
        st.integers(0, 35),
        st.integers(3, 24),
        st.floats(0, 1),
    ),
    max_size=12,
)


@given(detections)
def test_masks_never_overlap_and_cover_every_box(found):
    lesions = segment_lesions(volume(), found, FilledBoxes())
    painted = np.zeros((8, 60, 70), int)
    for lesion in lesions:
        painted[lesion.mask.window] += lesion.mask.voxels
    wanted = np.zeros_like(painted, bool)
    for detection in found:
        left, top, right, bottom = (int(edge) for edge in detection.box.xyxy)
        wanted[detection.box.slice_index, top:bottom, left:right] = True
    assert painted.max(initial=0) <= 1
    assert np.array_equal(painted > 0, wanted)


@given(detections)
def test_lesions_come_highest_score_first(found):
    scores = [lesion.score for lesion in segment_lesions(volume(), found, FilledBoxes())]
    assert scores == sorted(scores, reverse=True)
