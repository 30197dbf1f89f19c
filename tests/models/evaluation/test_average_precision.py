"""AP on cases with known answers; the workshop's tests compare with pycocotools."""

import numpy as np
import pytest

from lesionmap.models.evaluation.average_precision import (
    ImageBoxes,
    average_precision,
    match_boxes,
    precision_recall,
)

LESION = [[10.0, 10.0, 30.0, 30.0]]
ELSEWHERE = [[50.0, 50.0, 60.0, 60.0]]


def boxes(found, scores, lesions):
    return ImageBoxes(
        np.array(found, float).reshape(-1, 4),
        np.array(scores, float),
        np.array(lesions, float).reshape(-1, 4),
    )


def ap50(images, weights=None):
    matched = match_boxes(images, 0.5)
    return average_precision(matched, np.ones(len(images)) if weights is None else weights)


def test_perfect_boxes_give_one():
    assert ap50([boxes(LESION, [0.4], LESION)] * 3) == 1.0


def test_nothing_found_gives_zero():
    assert ap50([boxes([], [], LESION)]) == 0.0


def test_no_lesions_at_all_gives_zero():
    assert ap50([boxes(ELSEWHERE, [0.5], [])]) == 0.0


def test_a_false_box_above_the_hit_halves_precision():
    assert ap50([boxes(ELSEWHERE + LESION, [0.9, 0.5], LESION)]) == pytest.approx(0.5)


def test_a_false_box_below_every_hit_costs_nothing():
    images = [boxes(LESION, [0.9], LESION), boxes(ELSEWHERE, [0.1], [])]
    assert ap50(images) == 1.0


def test_a_false_box_on_a_negative_image_costs_precision():
    images = [boxes(LESION, [0.5], LESION), boxes(ELSEWHERE, [0.9], [])]
    assert ap50(images) == pytest.approx(0.5)


def test_a_second_box_on_the_same_lesion_is_false():
    matched = match_boxes([boxes(LESION * 2, [0.9, 0.8], LESION)], 0.5)
    assert matched.hits.tolist() == [True, False]


def test_weights_are_repeated_images():
    images = [
        boxes(ELSEWHERE + LESION, [0.9, 0.5], LESION),
        boxes(LESION, [0.7], LESION),
        boxes([], [], LESION),
    ]
    weighted = ap50(images, np.array([2.0, 0.0, 1.0]))
    assert weighted == pytest.approx(ap50([images[0], images[0], images[2]]))


def test_precision_and_recall_after_each_box():
    matched = match_boxes([boxes(LESION + ELSEWHERE, [0.9, 0.5], LESION)], 0.5)
    precision, recall = precision_recall(matched, np.ones(1))
    assert precision.tolist() == [1.0, 0.5]
    assert recall.tolist() == [1.0, 1.0]
