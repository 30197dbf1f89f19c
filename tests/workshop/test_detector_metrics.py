"""Our AP against pycocotools, and the intervals."""

import contextlib
import dataclasses
import io

import numpy as np
import pytest
from pycocotools import coco, cocoeval

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.evaluation.average_precision import (
    COCO_OVERLAPS,
    ImageBoxes,
    average_precision,
    match_boxes,
)
from lesionmap.models.evaluation.detection import (
    Found,
    compare_ap50,
    evaluate,
    find_all,
    recommend_threshold,
    to_json,
)
from lesionmap.models.evaluation.detector_release import strata
from lesionmap.models.training.datasets.sample import Sample

pytestmark = pytest.mark.workshop


def random_image(rng):
    corners = rng.uniform(0, 80, (rng.integers(0, 4), 2))
    lesions = np.concatenate([corners, corners + rng.uniform(10, 40, corners.shape)], axis=1)
    found = lesions + rng.normal(0, 3, lesions.shape)
    stray = rng.uniform(0, 80, (rng.integers(0, 4), 2))
    found = np.concatenate([found, np.concatenate([stray, stray + 15], axis=1)])
    return ImageBoxes(found, rng.permutation(1000)[: len(found)] / 1000, lesions)


def coco_ap(images):
    truth, found = [], []
    for number, image in enumerate(images, start=1):
        for x, y, right, bottom in image.lesions.tolist():
            side = right - x, bottom - y
            truth.append({"image_id": number, "bbox": [x, y, *side], "area": side[0] * side[1]})
        for (x, y, right, bottom), score in zip(image.found.tolist(), image.scores, strict=True):
            box = [x, y, right - x, bottom - y]
            found.append({"image_id": number, "bbox": box, "score": score})
    for number, row in enumerate(truth, start=1):
        row |= {"id": number, "iscrowd": 0, "category_id": 1}
    for row in found:
        row["category_id"] = 1
    with contextlib.redirect_stdout(io.StringIO()):
        reference = coco.COCO()
        reference.dataset = {
            "images": [{"id": n + 1} for n in range(len(images))],
            "annotations": truth,
            "categories": [{"id": 1}],
        }
        reference.createIndex()
        run = cocoeval.COCOeval(reference, reference.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[0], run.stats[1]


@pytest.mark.parametrize("seed", range(5))
def test_ap_is_that_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(20)]
    ones = np.ones(len(images))
    mine = [average_precision(match_boxes(images, t), ones) for t in COCO_OVERLAPS]
    ap, ap50 = coco_ap(images)
    assert mine[0] == pytest.approx(ap50, abs=1e-6)
    assert np.mean(mine) == pytest.approx(ap, abs=1e-6)


def sample(number, source="brain"):
    box = np.array([[10, 10, 30, 30]], np.float32)
    image = np.full((64, 64), number, np.uint8)
    return Sample(source, f"{number}", f"p{number // 2}", "val", "MR", image, (), box)


class Scripted:
    """Finds the lesion on images with an even number, and something else on the others."""

    def detect_slice(self, image, *, score_threshold):
        x = 10.0 if image[0, 0] % 2 == 0 else 40.0
        score = 0.8 if image[0, 0] % 2 == 0 else 0.3
        return [Detection(Box2D(0, x, 10.0, 20.0, 20.0), "lesion", score)]


def test_results_by_source():
    samples = [sample(n) for n in range(8)] + [sample(n, "breast") for n in range(0, 8, 2)]
    found = find_all(Scripted(), samples)
    results = evaluate(found, 0.5)
    assert results["breast"].ap50.value == 1.0
    brain = results["brain"]
    assert (brain.images, brain.patients, brain.lesions) == (8, 4, 8)
    assert brain.recall == 0.5
    assert brain.precision == 1.0
    assert brain.negatives_hit is None
    assert brain.ap50.low <= brain.ap50.value <= brain.ap50.high
    assert 0.3 < recommend_threshold(found) <= 0.8
    assert to_json(results)["brain"]["ap50"]["value"] == pytest.approx(brain.ap50.value, abs=1e-4)


def test_a_detector_does_not_differ_from_itself():
    found = find_all(Scripted(), [sample(n) for n in range(6)])
    (difference,) = compare_ap50(found, found).values()
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_comparisons_need_the_same_samples():
    found = find_all(Scripted(), [sample(n) for n in range(6)])
    with pytest.raises(ValueError, match="same samples"):
        compare_ap50(found, Found(found.samples[1:], found.images[1:]))


def test_boxes_on_images_without_a_lesion_are_counted():
    nothing = np.zeros((0, 4), np.float32)
    normal = [dataclasses.replace(sample(n), boxes=nothing) for n in range(4)]
    result = evaluate(find_all(Scripted(), [sample(8), *normal]), 0.5)["brain"]
    assert result.negatives_hit == 0.5
    assert result.false_per_image == pytest.approx(2 / 5)


def test_strata_are_the_parts_with_lesions():
    names = ["glioma_1", "glioma_2", "pituitary_1"]
    samples = [dataclasses.replace(sample(n), name=name) for n, name in enumerate(names)]
    parts = strata(find_all(Scripted(), samples))
    assert {name: len(part.samples) for name, part in parts.items()} == {
        "brain glioma": 2,
        "brain pituitary": 1,
    }
