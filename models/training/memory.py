"""Teach a trained segmenter's memory to follow an object: seeded, resumable."""

import csv
import logging
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lesionmap.models.segmentation.networks.checkpoint import load_checkpoint
from lesionmap.models.segmentation.networks.shape import NetworkShape, build_network
from lesionmap.models.segmentation.networks.tracking import Tracked, Tracker
from lesionmap.models.training.clips import ClipBatch, ClipSource
from lesionmap.models.training.datasets.sample import mask_box
from lesionmap.models.training.datasets.stacks import STACK_READERS
from lesionmap.models.training.memory_config import MemoryStage, MemoryTraining
from lesionmap.models.training.prepared import prepare
from lesionmap.models.training.segmenter_config import SegmenterTraining
from lesionmap.models.training.segmenter_losses import segmentation_loss
from lesionmap.models.training.segmenter_samples import training_samples

logger = logging.getLogger(__name__)

FROZEN = ("image_encoder.", "sam_mask_decoder.conv_s")
"""What the shipped encoder graph holds: one embedding serves boxes and memory."""

TAUGHT_FROM_NOTHING = ("memory_", "obj_ptr_", "maskmem_", "no_obj_")
PRESENCE_WEIGHT = 0.1
FLOOR = 0.02
LOG_EVERY = 10


class MemoryTrainer:
    """The network, its running average and its optimiser in one stage of a run."""

    def __init__(
        self,
        config: MemoryTraining,
        stage: MemoryStage,
        shape: NetworkShape,
        weights: dict[str, Tensor],
    ) -> None:
        """Start from ``weights`` at the stage's size."""
        self._config, self._stage = config, stage
        self.network = build_network(replace(shape, input_size=stage.size), config.seed).train()
        self.network.load_state_dict(weights)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(not name.startswith(FROZEN))
        self._tracker = Tracker(self.network, replace(shape, input_size=stage.size))
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay)
        )
        self.optimiser = torch.optim.AdamW(self._groups())

    def _groups(self) -> list[dict[str, Any]]:
        groups = []
        for new in (True, False):
            named = [
                parameter
                for name, parameter in self.network.named_parameters()
                if parameter.requires_grad and name.startswith(TAUGHT_FROM_NOTHING) is new
            ]
            rate = 1.0 if new else self._config.decoder_rate
            for decay, chosen in (
                (self._config.weight_decay, [p for p in named if p.ndim > 1]),
                (0.0, [p for p in named if p.ndim <= 1]),
            ):
                groups.append({"params": chosen, "weight_decay": decay, "share": rate, "lr": 0.0})
        return groups

    def train_on(self, batch: ClipBatch, step: int) -> dict[str, Float[Tensor, ""]]:
        """Make one step and return what the log keeps of it."""
        rate = _learning_rate(self._config, self._stage, step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        found = self._tracker(batch.frames, batch.boxes)
        losses = [
            _frame_loss(tracked, batch.targets[:, index]) for index, tracked in enumerate(found)
        ]
        loss = torch.stack(losses).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = [p for p in self.network.parameters() if p.requires_grad]
        nn.utils.clip_grad_norm_(trained, self._config.gradient_clip)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        each = torch.stack(losses).detach()
        return {"loss": each.mean(), "first": each[0], "later": each[1:].mean()}

    def averaged_weights(self) -> dict[str, Tensor]:
        """Return the running average of the weights, under sam2's own names."""
        return {k: v.contiguous() for k, v in self.average.module.state_dict().items()}


def _frame_loss(tracked: Tracked, target: Float[Tensor, "b 1 s s"]) -> Float[Tensor, ""]:
    """Judge masks where the object is there, and everywhere whether it is."""
    side = target.shape[-1]
    there = (target > 0.5).flatten(1).any(dim=1)
    presence = functional.binary_cross_entropy_with_logits(tracked.score[:, 0], there.float())
    loss = PRESENCE_WEIGHT * presence
    if there.any():
        planes = (target[there, 0] > 0.5).numpy()
        boxes = torch.stack([torch.from_numpy(mask_box(plane)) for plane in planes]).clamp(0, side)
        outputs = tracked.logits[there], tracked.iou[there], tracked.score[there]
        share = there.float().mean()
        loss = loss + share * segmentation_loss(outputs, boxes, target[there]).total
    return loss


def train_memory(config: MemoryTraining, checkpoint: Path, root: Path, work: Path) -> Path:
    """Train, or go on where ``work`` left off; return the averaged weights' path.

    ``work`` receives config.json, log.csv, checkpoint.pt and weights.safetensors.

    Raises:
        ValueError: ``work`` belongs to a run with other settings.
    """
    work.mkdir(parents=True, exist_ok=True)
    settings = work / "config.json"
    if settings.exists() and MemoryTraining.read(settings) != config:
        raise ValueError("the work folder holds a run with other settings: choose a new one")
    settings.write_text(config.to_json())
    torch.set_num_threads(config.threads)
    network, shape = load_checkpoint(checkpoint)
    weights = network.state_dict()
    saved = _read(work)
    for index in range(int(saved["stage"]) if saved else 0, len(config.stages)):
        stage = config.stages[index]
        trainer = MemoryTrainer(config, stage, shape, weights)
        begin = 0
        if saved and saved["stage"] == index:
            trainer.network.load_state_dict(saved["network"])
            trainer.average.load_state_dict(saved["average"])
            trainer.optimiser.load_state_dict(saved["optimiser"])
            begin = int(saved["step"])
        _run_stage(config, trainer, _source(config, stage.size, root), (index, begin), work)
        weights = trainer.averaged_weights()
    save_file(weights, work / "weights.safetensors")
    return work / "weights.safetensors"


def _source(config: MemoryTraining, size: int, root: Path) -> ClipSource:
    real = [name for name in config.shares if name in STACK_READERS]
    stacks = [item for name in real for item in STACK_READERS[name](root, size)]
    stacks = [stack for stack in stacks if stack.split == "train"]
    moving = {name: share for name, share in config.shares.items() if name not in real}
    stills = training_samples(
        SegmenterTraining(shares=moving, shape_count=config.shape_count, seed=config.seed), root
    )
    images = [prepare(sample, size) for sample in stills if sample.masks]
    return ClipSource(stacks, images, config.shares, config.augmentation, config.seed)


def _run_stage(
    config: MemoryTraining,
    trainer: MemoryTrainer,
    source: ClipSource,
    begin: tuple[int, int],
    work: Path,
) -> None:
    index, first = begin
    stage = config.stages[index]
    earlier = sum(other.steps for other in config.stages[:index])
    for step in range(first, stage.steps):
        started = time.perf_counter()
        # The memory attention drops out: a resumed run has to drop the same.
        torch.manual_seed(hash((config.seed, earlier + step)))
        batch = source.draw(earlier + step, stage.batch_size, stage.length)
        terms = trainer.train_on(batch, step)
        if step % LOG_EVERY == 0:
            numbers = {name: float(term) for name, term in terms.items()}
            _log(work, {"step": earlier + step, "size": stage.size, **numbers}, started)
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == stage.steps:
            _write(work, trainer, index, step + 1)


def _learning_rate(config: MemoryTraining, stage: MemoryStage, step: int) -> float:
    if step < config.warmup_steps:
        return stage.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, stage.steps - config.warmup_steps)
    return stage.learning_rate * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))


def _read(work: Path) -> dict[str, Any] | None:
    path = work / "checkpoint.pt"
    return torch.load(path, weights_only=True) if path.exists() else None


def _write(work: Path, trainer: MemoryTrainer, stage: int, step: int) -> None:
    state = {
        "network": trainer.network.state_dict(),
        "average": trainer.average.state_dict(),
        "optimiser": trainer.optimiser.state_dict(),
        "stage": stage,
        "step": step,
    }
    torch.save(state, work / "checkpoint.tmp")
    (work / "checkpoint.tmp").replace(work / "checkpoint.pt")
    save_file(trainer.averaged_weights(), work / "average.safetensors")


def _log(work: Path, row: dict[str, float], started: float) -> None:
    row = {key: round(value, 5) for key, value in row.items()}
    row["seconds"] = round(time.perf_counter() - started, 2)
    path = work / "log.csv"
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    logger.info("step %s", row)
