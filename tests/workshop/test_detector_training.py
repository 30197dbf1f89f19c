"""The training loop on drawn discs: seeded, resumable, learning; and its parts."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lesionmap.models.core.boxes import iou_matrix
from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.detection.networks.export import load_checkpoint
from lesionmap.models.training import detector
from lesionmap.models.training.augment import (
    augment,
    crop_boxes,
    fit_sample,
    hull_boxes,
    mix_halves,
)
from lesionmap.models.training.datasets.sample import Sample, boxes_of
from lesionmap.models.training.detector_batches import BatchSource
from lesionmap.models.training.detector_config import DetectorTraining
from lesionmap.models.training.ema import WeightAverage
from lesionmap.models.training.replicas import Replicas

pytestmark = pytest.mark.workshop

TINY = DetectorTraining(
    member="pico",
    input_size=64,
    small_size=32,
    small_steps=2,
    steps=4,
    decay_steps=2,
    calm_steps=1,
    batch=4,
    checkpoint_seconds=1e9,
    shares={"discs": 1.0},
)


def disc(seed, *, size=96, source="discs"):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    row, column = rng.uniform(30, size - 30, 2)
    mask = (y - row) ** 2 + (x - column) ** 2 < 15**2
    image = np.where(mask, 220, 60).astype(np.uint8)
    return Sample(source, f"{seed}", f"{seed}", "train", "MR", image, (mask,), boxes_of((mask,)))


def lit_box(image, *, above=140):
    rows, columns = np.nonzero((image if image.ndim == 2 else image.max(axis=2)) > above)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_a_fitted_box_is_the_box_of_what_is_lit():
    fitted = fit_sample(disc(1), 64)
    assert np.abs(hull_boxes(fitted.hulls)[0] - lit_box(fitted.image)).max() <= 1


@pytest.mark.parametrize("source", ["brain", "breast", "polyps"])
def test_augmented_boxes_follow_the_lesion(source, monkeypatch):
    monkeypatch.setattr("lesionmap.models.training.augment._tone", lambda image, *_: image)
    rng = np.random.default_rng(3)
    fitted = fit_sample(disc(2, source=source), 96)
    checked = 0
    for _ in range(60):
        image, boxes = augment(fitted, rng)
        if len(boxes):
            assert np.abs(boxes[0] - lit_box(image)).max() <= 1.1
            checked += 1
    assert checked > 40


def test_boxes_that_leave_the_frame_are_dropped():
    boxes = np.array([[0, 0, 10, 10], [90, 0, 110, 10], [95, 0, 135, 10]], np.float32)
    kept = crop_boxes(boxes, (0, 0, 100, 100))
    assert kept.tolist() == [[0, 0, 10, 10], [90, 0, 100, 10]]


def test_mixed_halves_keep_each_box_on_its_side():
    black = np.zeros((100, 100), np.uint8)
    first = black, np.array([[5, 5, 25, 25]], np.float32)
    second = black + 255, np.array([[75, 75, 95, 95]], np.float32)
    image, boxes = mix_halves(first, second, np.random.default_rng(0))
    assert boxes.tolist() == [[5, 5, 25, 25], [75, 75, 95, 95]]
    assert image[0, 0] == 0
    assert image[-1, -1] == 255


def batches(**changes):
    options = {"shares": {"discs": 1.0}, "batch": 3} | changes
    return BatchSource([disc(n) for n in range(5)], **options)


def test_a_step_draws_the_same_batch_in_every_run():
    images, targets = batches(seed=7).draw(11, 64, calm=False)
    again, same = batches(seed=7).draw(11, 64, calm=False)
    other, _ = batches(seed=8).draw(11, 64, calm=False)
    assert torch.equal(images, again)
    assert torch.equal(targets, same)
    assert not torch.equal(images, other)
    assert images.shape == (3, 3, 64, 64)
    assert images.min() >= 0
    assert images.max() <= 1


def test_a_source_without_training_images_is_refused():
    with pytest.raises(ValueError, match="brain"):
        batches(shares={"brain": 1.0}, seed=0)


def test_val_images_are_never_drawn():
    held = dataclasses.replace(disc(9), split="val", image=np.full((96, 96), 255, np.uint8))
    source = BatchSource([disc(1), held], shares={"discs": 1.0}, batch=4, seed=0)
    assert [fitted.image.max() for fitted in source._samples["discs"]] != []
    assert all(s.split == "train" for s in source._samples["discs"])


def test_the_average_ends_between_start_and_present():
    network = torch.nn.Linear(2, 2)
    average = WeightAverage(network, 0.9)
    before = network.weight.detach().clone()
    with torch.no_grad():
        network.weight += 1
    average.update(network, step=10_000)
    assert torch.allclose(average.network.weight, before + 0.1, atol=1e-6)


class MeanBrightness(torch.nn.Module):
    """A loss of known gradient: mean output, minus the number of targets it was given."""

    def forward(self, outputs, targets):
        assert (targets[:, 0] < len(outputs)).all()
        total = outputs.mean() - len(targets)
        return total, torch.stack([total, total, total, total])


@pytest.mark.parametrize("count", [1, 2, 4])
def test_replicas_give_the_mean_gradient_and_share_new_weights(count):
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 1, 1)
    replicas = Replicas(network, MeanBrightness, count)
    images, targets = torch.rand(4, 3, 8, 8), torch.zeros(4, 6)
    targets[:, 0] = torch.arange(4)
    for _ in range(2):  # the second time with changed weights
        losses = replicas.backward(images, targets)
        wanted = network(images).mean() - 4 / count
        assert losses[0].item() == pytest.approx(wanted.item(), abs=1e-5)
        brightness = images.mean(dim=(0, 2, 3))
        assert torch.allclose(network.weight.grad[0, :, 0, 0], brightness, atol=1e-5)
        with torch.no_grad():
            network.weight += 1


def test_the_options_survive_json():
    assert DetectorTraining.from_json(TINY.to_json()) == TINY
    with pytest.raises(ValueError, match="colour"):
        DetectorTraining.from_json('{"colour": 1}')


@pytest.mark.parametrize(
    "wrong",
    [{"input_size": 100}, {"decay_steps": 0}, {"decay_steps": 99}, {"replicas": 3}, {"shares": {}}],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ValueError, match=r"multiples|decay_steps|share|evenly"):
        dataclasses.replace(TINY, **wrong)


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    config = DetectorTraining(steps=1000, decay_steps=400, warmup_steps=100, learning_rate=1.0)
    assert config.learning_rate_at(0) == pytest.approx(0.01)
    assert config.learning_rate_at(300) == config.learning_rate_at(599) == 1.0
    assert config.learning_rate_at(800) == pytest.approx(0.5)
    assert config.learning_rate_at(1000) == 0.0


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "LOG_EVERY", 1)
    samples = [disc(n) for n in range(4)]
    whole = detector.train(TINY, tmp_path, tmp_path / "whole", samples=samples)
    half = tmp_path / "half"
    # Stop after three steps, where the schedule is already falling.
    monkeypatch.setattr(detector, "_log", _stop_after(3, detector._log))
    config = dataclasses.replace(TINY, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        detector.train(config, tmp_path, half, samples=samples)
    monkeypatch.undo()
    monkeypatch.setattr(detector, "LOG_EVERY", 1)
    resumed = detector.train(TINY, tmp_path, half, samples=samples)
    first, second = load_file(whole), load_file(resumed)
    assert all(torch.allclose(first[name], second[name], atol=1e-5) for name in first)


def _stop_after(step, log):
    def stopping(run, *others):
        if run.step == step:
            raise KeyboardInterrupt
        log(run, *others)

    return stopping


@pytest.mark.slow
def test_a_short_run_learns_discs(tmp_path):
    config = dataclasses.replace(
        TINY, small_steps=1, steps=300, decay_steps=120, warmup_steps=5, batch=4, ema_decay=0.9
    )
    samples = [disc(n) for n in range(8)]
    weights = detector.train(config, tmp_path, tmp_path, samples=samples)
    network = load_checkpoint(weights, "pico", 64)
    found = 0
    for sample in samples:
        fitted = Letterbox(96, 96, 64)
        with torch.no_grad():
            (boxes, scores), _ = network(torch.from_numpy(fitted.fit(sample.image)[None]))
        best = fitted.to_image(boxes[0, [int(scores[0, :, 0].argmax())]].double().numpy())
        found += iou_matrix(best, sample.boxes.astype(np.float64)).max() > 0.5
    assert found >= 6
