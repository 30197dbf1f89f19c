"""The measure of a segmenter, on segmenters whose Dice is known; and the shipped one."""

import json

import numpy as np
import pytest

from lesionmap.models.evaluation.segmentation import (
    evaluate_segmenter,
    jitter_reference,
    summarise,
)
from lesionmap.models.evaluation.segmenter_release import open_segmenter, tabulate
from lesionmap.models.segmentation.prompts import inscribed_ellipse
from lesionmap.models.training.datasets.sample import Sample, boxes_of
from lesionmap.models.training.segmenter_samples import read_samples

pytestmark = pytest.mark.workshop


class Oracle:
    """Knows the masks: the image itself is the answer."""

    def encode(self, image):
        return image

    def decode(self, embedding, boxes):
        return np.stack([np.where(embedding > 0, 1.0, -1.0) for _ in boxes])


class Ellipse(Oracle):
    """The baseline, as a segmenter."""

    def decode(self, embedding, boxes):
        shape = embedding.shape
        planes = [inscribed_ellipse(np.array(box.xyxy), *shape) for box in boxes]
        return np.where(np.stack(planes), 1.0, -1.0)


def samples():
    drawn = []
    for number in range(6):
        image = np.zeros((60, 80), np.uint8)
        image[10 + number : 40, 20:60] = 255
        masks = (image > 0,)
        name = f"s{number}"
        patient = f"p{number // 2}"
        drawn.append(Sample("brain", name, patient, "val", "MR", image, masks, boxes_of(masks)))
    return drawn


def test_the_oracle_is_perfect_and_gains_over_the_ellipse():
    report = summarise(evaluate_segmenter(Oracle(), samples()))["brain"]
    assert report.tight.mean == report.jittered.mean == 1
    assert report.tight_gain.low > 0.05
    assert (report.tight.n, report.tight.patients) == (6, 3)


def test_the_ellipse_gains_nothing_over_itself():
    report = summarise(evaluate_segmenter(Ellipse(), samples()))["brain"]
    assert report.jittered_gain.mean == report.tight_gain.mean == 0
    assert report.tight.mean == pytest.approx(2 * np.pi / 4 / (1 + np.pi / 4), abs=0.01)


def test_images_without_a_lesion_do_not_count():
    blank = Sample("brain", "b", "b", "val", "MR", np.zeros((9, 9), np.uint8), (), boxes_of(()))
    assert evaluate_segmenter(Oracle(), [blank]) == []


def test_jittered_boxes_stay_in_the_image_and_within_their_share():
    boxes = np.array([[0.0, 5.0, 20.0, 45.0]] * 100)
    moved = jitter_reference(boxes, (48, 64), np.random.default_rng(0))
    assert (moved >= 0).all()
    assert (np.abs(moved - boxes) <= [2, 4, 2, 4]).all()


def test_the_same_seed_gives_the_same_numbers():
    first, second = (evaluate_segmenter(Ellipse(), samples(), seed=3) for _ in range(2))
    assert first == second


def test_the_table_compares_precisions():
    measured = {"int8": evaluate_segmenter(Ellipse(), samples()), "fp32": None}
    measured["fp32"] = evaluate_segmenter(Oracle(), samples())
    table = tabulate(measured)
    assert table["int8_minus_fp32"]["brain"]["tight"] < -0.05
    json.dumps(table)


@pytest.mark.slow
@pytest.mark.data
def test_the_shipped_segmenter_beats_the_ellipse(shared_images, store, repository):
    name = "sam2-small-256"
    segmenter = open_segmenter(
        *(store / f"{name}-{role}-int8" / "model.onnx" for role in ("encoder", "decoder"))
    )
    wanted = read_samples(["brain", "breast", "polyps"], shared_images)
    measured = evaluate_segmenter(segmenter, [s for s in wanted if s.split == "val"])
    card = json.loads((repository / "docs" / "models" / name / "metrics.json").read_text())
    for source, report in summarise(measured).items():
        assert report.jittered_gain.mean >= 0.025, source
        assert report.jittered_gain.low > 0, source
        assert report.jittered.mean == pytest.approx(
            card["int8"][source]["jittered"]["mean"], abs=2e-3
        )
    assert all(
        abs(change) <= 0.01 for c in card["int8_minus_fp32"].values() for change in c.values()
    )
