"""Training of the segmenter: batches, losses, settings, and a run that is resumed."""

import numpy as np
import pytest
import torch

from lesionmap.models.training import segmenter as trainer
from lesionmap.models.training.datasets.organs import read_nifti
from lesionmap.models.training.datasets.shapes import generate_shapes
from lesionmap.models.training.prepared import prepare
from lesionmap.models.training.segmenter_batches import BatchSource, jitter_boxes
from lesionmap.models.training.segmenter_config import Augmentation, SegmenterTraining, Stage
from lesionmap.models.training.segmenter_losses import segmentation_loss
from lesionmap.models.training.segmenter_release import release_checkpoint

pytestmark = pytest.mark.workshop

STILL = Augmentation(0, 0, 0, 0, 0, 0, 0, (0.0, 0.0))


def source(augmentation, count=6):
    images = [prepare(sample, 128) for sample in generate_shapes(count, seed=1)]
    return BatchSource(images, {"shapes": 1.0}, augmentation, seed=4)


def extent(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def test_shapes_come_back_the_same():
    first, second = generate_shapes(2, seed=5), generate_shapes(2, seed=5)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_a_step_always_draws_the_same_batch():
    first, second = (source(Augmentation()).draw(7, 4, 2) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.boxes, second.boxes)


def test_boxes_follow_a_turned_and_scaled_image():
    motion = Augmentation(noise=0.0, box_jitter=(0.0, 0.0))
    batch = source(motion).draw(3, 8, 1)
    for box, target in zip(batch.boxes.numpy(), batch.targets[:, 0].numpy(), strict=True):
        assert np.abs(box - extent(target > 0.4)).max() < 2.5


def test_boxes_are_tight_on_an_image_left_alone():
    side = source(STILL).draw(0, 4, 1)
    for box, target in zip(side.boxes.numpy(), side.targets[:, 0].numpy(), strict=True):
        assert np.abs(box - extent(target > 0.4)).max() < 1.5


def test_halving_keeps_boxes_on_their_lesions():
    batch = source(STILL).draw(0, 4, 2)
    small = batch.halved_to(64)
    assert small.images.shape[-1] == small.targets.shape[-1] == 64
    assert torch.equal(small.boxes, batch.boxes / 2)


def test_jitter_stays_within_its_share():
    boxes = np.tile([[10.0, 20.0, 50.0, 40.0]], (200, 1))
    moved = jitter_boxes(np.random.default_rng(0), boxes, (0.1, 0.1))
    shares = np.abs(moved - boxes) / [40, 20, 40, 20]
    assert 0.08 < shares.max() <= 0.1


def test_a_share_without_images_is_refused():
    with pytest.raises(ValueError, match="no training image"):
        BatchSource([], {"brain": 1.0}, STILL, seed=0)


def test_the_right_mask_costs_less_than_the_prior_and_far_less_than_the_wrong():
    batch = source(STILL).draw(0, 4, 1)
    coarse = torch.nn.functional.avg_pool2d(batch.targets, 4)
    extra = torch.full((4, 1), 0.9), torch.full((4, 1), 4.0)
    losses = [
        float(segmentation_loss((logits, *extra), batch.boxes, batch.targets).total)
        for logits in ((coarse - 0.5) * 12, torch.zeros_like(coarse), (0.5 - coarse) * 12)
    ]
    assert losses == sorted(losses)
    assert losses[0] < 0.5 * losses[1]


def test_settings_survive_json():
    config = SegmenterTraining(seed=3, stages=(Stage(64, 2, 1, 1e-3),))
    assert SegmenterTraining.from_json(config.to_json()) == config


def test_an_unknown_setting_is_an_error():
    with pytest.raises(TypeError):
        SegmenterTraining.from_json(SegmenterTraining().to_json().replace('"seed"', '"sed"'))


def test_the_rate_rises_then_falls_to_its_floor():
    config, stage = SegmenterTraining(warmup_steps=10), Stage(64, 100, 1, 1e-3)
    rates = [trainer.learning_rate(config, stage, step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(2e-5)


def tiny_run():
    return SegmenterTraining(
        name="tiny",
        stages=(Stage(64, 2, 2, 1e-3), Stage(128, 2, 1, 1e-3)),
        shares={"shapes": 1.0},
        shape_count=4,
        boxes_per_image=1,
        checkpoint_every=1,
    )


@pytest.mark.slow
def test_a_run_that_is_stopped_ends_as_one_that_is_not(tmp_path, monkeypatch):
    whole = trainer.train(tiny_run(), tmp_path, tmp_path / "whole").read_bytes()
    write, stops = trainer._write_checkpoint, iter([False, False, True])

    def stop_at_the_third(*args):
        write(*args)
        if next(stops, False):
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_write_checkpoint", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(tiny_run(), tmp_path, tmp_path / "halves")
    monkeypatch.setattr(trainer, "_write_checkpoint", write)
    assert trainer.train(tiny_run(), tmp_path, tmp_path / "halves").read_bytes() == whole
    kept = release_checkpoint(tmp_path / "halves", tmp_path / "kept", tmp_path / "papers")
    assert kept.name == "tiny.safetensors"
    assert (tmp_path / "papers" / "tiny" / "log.csv").read_text().startswith("step,size,loss")


def test_a_folder_of_another_run_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(SegmenterTraining(seed=9).to_json())
    with pytest.raises(ValueError, match="other settings"):
        trainer.train(SegmenterTraining(), tmp_path, tmp_path)


@pytest.mark.data
def test_organ_maps_lie_on_their_images(shared_images):
    folder = shared_images / "multiorgan_3mm_nifti"
    hounsfield = read_nifti(folder / "ct_abdomen_3mm.nii.gz")
    organs = read_nifti(folder / "ct_abdomen_3mm_organs.nii.gz")
    liver, spleen = hounsfield[organs == 5], hounsfield[organs == 1]
    assert np.std(liver) < 60
    assert 20 < np.mean(liver) < 140
    assert 20 < np.mean(spleen) < 200
