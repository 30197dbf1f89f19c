"""Training of the memory: clips, what learns and what does not, and a run that is resumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lesionmap.models.segmentation.networks.checkpoint import save_checkpoint
from lesionmap.models.segmentation.networks.shape import NetworkShape, build_network
from lesionmap.models.training import memory as trainer
from lesionmap.models.training.clips import ClipSource
from lesionmap.models.training.datasets.sample import mask_box
from lesionmap.models.training.datasets.shapes import generate_shapes
from lesionmap.models.training.datasets.stacks import STACK_READERS, Stack
from lesionmap.models.training.memory_config import MemoryStage, MemoryTraining
from lesionmap.models.training.prepared import prepare
from lesionmap.models.training.segmenter_config import Augmentation

pytestmark = pytest.mark.workshop

STILL = Augmentation(0, 0, 0, 0, 0, 0, 0, (0.0, 0.0))
TINY = NetworkShape(input_size=64, embed_dim=8, memory_layers=1)
CONFIG = MemoryTraining(
    stages=(MemoryStage(64, 3, 1, 3, 1e-3),),
    shares={"shapes": 1.0},
    shape_count=4,
    warmup_steps=1,
    checkpoint_every=1,
)


def ball(slices=9, side=64):
    z, y, x = np.mgrid[:slices, :side, :side]
    inside = (8 * (z - 4)) ** 2 + (y - 30) ** 2 + (x - 34) ** 2 < 20**2
    images = np.where(inside, 200, 60).astype(np.uint8)
    return Stack("balls", "ball", "ball", "train", images, (inside.astype(np.uint8) * 255,))


def clips(augmentation=STILL, source="balls"):
    images = [prepare(sample, 64) for sample in generate_shapes(4, seed=1)]
    return ClipSource([ball()], images, {source: 1.0}, augmentation, seed=3)


@pytest.mark.parametrize("source", ["balls", "shapes"])
def test_a_step_always_draws_the_same_clips_with_the_object_in_the_first_box(source):
    first, second = (clips(Augmentation(), source).draw(5, 3, 4) for _ in range(2))
    assert torch.equal(first.frames, second.frames)
    assert first.frames.shape == (3, 4, 3, 64, 64)
    exact = clips(STILL, source).draw(5, 3, 4)
    for box, target in zip(exact.boxes.numpy(), exact.targets[:, 0, 0].numpy(), strict=True):
        assert np.array_equal(box, mask_box(target > 0.5))


def test_a_stack_is_cut_slice_by_slice_from_one_that_holds_the_object():
    whole = ball()
    batch = clips().draw(0, 8, 3)
    for frames, targets in zip(batch.frames, batch.targets, strict=True):
        for frame, target in zip(frames, targets, strict=True):
            # Motion left alone still mirrors half of the clips.
            planes = np.stack([frame[0].numpy(), target[0].numpy()]) * 255
            planes = planes.round().astype(np.uint8)
            assert any(
                np.array_equal(planes[:, :, ::turn], np.stack([image, covered]))
                for image, covered in zip(whole.images, whole.objects[0], strict=True)
                for turn in (1, -1)
            )


def test_what_moves_grows_and_goes_keeps_image_and_target_together():
    batch = clips(STILL, "shapes").draw(1, 8, 6)
    changed = (batch.targets[:, 0] - batch.targets[:, -1]).abs().flatten(1).sum(1)
    assert (changed > 5).all()


def test_nothing_to_follow_is_refused():
    with pytest.raises(ValueError, match="nothing to follow"):
        clips(source="sarcoma")


def test_the_encoder_stays_and_memory_and_decoder_learn():
    weights = build_network(TINY, seed=1).state_dict()
    before = {name: weight.clone() for name, weight in weights.items()}
    run = trainer.MemoryTrainer(CONFIG, CONFIG.stages[0], TINY, weights)
    for step in range(2):
        run.train_on(clips(source="shapes").draw(step, 2, 3), step)
    moved = {
        name
        for name, weight in run.network.state_dict().items()
        if not torch.equal(weight, before[name])
    }
    assert not any(name.startswith(trainer.FROZEN) for name in moved)
    for module in ("memory_attention.", "memory_encoder.", "obj_ptr_proj.", "sam_mask_decoder."):
        assert any(name.startswith(module) for name in moved), module


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(tmp_path):
    checkpoint = save_checkpoint(build_network(TINY).state_dict(), TINY, tmp_path / "start")
    whole = trainer.train_memory(CONFIG, checkpoint, tmp_path, tmp_path / "whole")
    stopped, first_write = tmp_path / "stopped", trainer._write

    def stop_after_the_first(*arguments):
        first_write(*arguments)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "_write", stop_after_the_first)
        with pytest.raises(KeyboardInterrupt):
            trainer.train_memory(CONFIG, checkpoint, tmp_path, stopped)
    assert trainer.train_memory(CONFIG, checkpoint, tmp_path, stopped).read_bytes() == (
        whole.read_bytes()
    )
    with pytest.raises(ValueError, match="other settings"):
        trainer.train_memory(replace(CONFIG, seed=9), checkpoint, tmp_path, stopped)


def test_settings_survive_json(tmp_path):
    (tmp_path / "config.json").write_text(MemoryTraining().to_json())
    assert MemoryTraining.read(tmp_path / "config.json") == MemoryTraining()


@pytest.mark.data
def test_stacks_of_the_shared_data_hold_objects_that_can_be_followed(shared_images):
    stacks = [stack for read in STACK_READERS.values() for stack in read(shared_images, 64)]
    held_out = {stack.patient for stack in stacks if stack.split == "val"}
    assert held_out == {"STS_032", "STS_041"}
    assert all(item.shape == stack.images.shape for stack in stacks for item in stack.objects)
