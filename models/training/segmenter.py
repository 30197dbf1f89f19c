"""Train the segmenter from scratch: seeded, resumable, one stage an image size."""

import csv
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from sam2.modeling.sam2_base import SAM2Base
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lesionmap.models.segmentation.networks.checkpoint import save_checkpoint
from lesionmap.models.segmentation.networks.graphs import DecoderGraph, EncoderGraph
from lesionmap.models.segmentation.networks.shape import build_network
from lesionmap.models.training.prepared import PreparedImage, prepare
from lesionmap.models.training.segmenter_batches import Batch, BatchSource
from lesionmap.models.training.segmenter_config import SegmenterTraining, Stage
from lesionmap.models.training.segmenter_losses import LossTerms, segmentation_loss
from lesionmap.models.training.segmenter_samples import training_samples

logger = logging.getLogger(__name__)

LOG_EVERY = 20
LICENCE = "CC-BY-4.0"
"""Of weights trained on the default data sets: attribution, no share-alike."""

FLOOR = 0.02
"""Share of the learning rate that the cosine ends at."""


@dataclass(frozen=True)
class Position:
    """Where a run stands: the stage, the step in it, and the step since the start."""

    stage: int
    step: int
    total: int


class Trainer:
    """The network, its running average and its optimiser in one stage of a run."""

    def __init__(self, config: SegmenterTraining, stage: Stage) -> None:
        """Build the network at the stage's size, with weights drawn from the seed."""
        self._config = config
        self._stage = stage
        shape = replace(config.shape, input_size=stage.size)
        self.network = build_network(shape, config.seed).train()
        self._encoder = EncoderGraph(self.network)
        self._decoder = DecoderGraph(self.network, shape)
        self.average = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay)
        )
        self.optimiser = _build_optimiser(self.network, config, stage)

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Take over the weights of an earlier stage."""
        self.network.load_state_dict(weights)
        self.average.module.load_state_dict(weights)

    def train_on(self, batch: Batch, step: int) -> LossTerms:
        """Make one step and return its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self._config, self._stage, step)
        maps = [feature[batch.owners] for feature in self._encoder(batch.images)]
        terms = segmentation_loss(self._decoder(*maps, batch.boxes), batch.boxes, batch.targets)
        self.optimiser.zero_grad(set_to_none=True)
        terms.total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._config.gradient_clip)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        return terms

    def averaged_weights(self) -> dict[str, torch.Tensor]:
        """Return the running average of the weights, under sam2's own names."""
        return {k: v.contiguous() for k, v in self.average.module.state_dict().items()}

    def state(self, position: Position) -> dict[str, object]:
        """Return all that a resumed run needs; batches follow from the step number."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "stage": position.stage,
            "step": position.step,
            "total": position.total,
        }

    def restore(self, state: dict[str, dict[str, torch.Tensor]]) -> None:
        """Take over what ``state`` returned."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def train(config: SegmenterTraining, root: Path, work: Path) -> Path:
    """Train, or go on where ``work`` left off, and return the final weights' path.

    ``work`` receives config.json, log.csv, checkpoint.pt, weights.safetensors (the
    running average, all modules of the network) and the same in half precision as
    ``<name>.safetensors``, whose path is returned.

    Raises:
        ValueError: ``work`` belongs to a run with other settings.
    """
    _claim(work, config)
    torch.set_num_threads(config.threads)
    samples = training_samples(config, root)
    largest = max(stage.size for stage in config.stages)
    images = [prepare(sample, largest) for sample in samples]
    del samples
    logger.info("training on %d images at up to %d pixels", len(images), largest)
    return _run_stages(config, images, work)


def learning_rate(config: SegmenterTraining, stage: Stage, step: int) -> float:
    """Return the rate of a step: a linear start, then a cosine to ``FLOOR``."""
    if step < config.warmup_steps:
        return stage.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, stage.steps - config.warmup_steps)
    return stage.learning_rate * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done)))


def _run_stages(config: SegmenterTraining, images: Sequence[PreparedImage], work: Path) -> Path:
    saved = _read_checkpoint(work)
    weights: dict[str, torch.Tensor] | None = None
    for position, trainer in _stages(config, saved):
        if weights is not None:
            trainer.start_from(weights)
        shares = config.stages[position.stage].shares or config.shares
        source = BatchSource(images, shares, config.augmentation, config.seed)
        _run_stage(config, trainer, source, position, work)
        weights = trainer.averaged_weights()
    assert weights is not None
    save_file(weights, work / "weights.safetensors")
    notes = {"lesionmap.seed": str(config.seed), "lesionmap.licence": LICENCE}
    return save_checkpoint(weights, config.shape, work / f"{config.name}.safetensors", notes)


def _stages(
    config: SegmenterTraining, saved: dict[str, object] | None
) -> Iterator[tuple[Position, Trainer]]:
    """Yield each stage still to run, the first one restored from a checkpoint."""
    begun = int(saved["stage"]) if saved else 0  # type: ignore[call-overload]
    total = sum(stage.steps for stage in config.stages[:begun])
    for index in range(begun, len(config.stages)):
        trainer, step = Trainer(config, config.stages[index]), 0
        if saved and index == begun:
            trainer.restore(saved)  # type: ignore[arg-type]
            step = int(saved["step"])  # type: ignore[call-overload]
        yield Position(index, step, total + step), trainer
        total += config.stages[index].steps


def _run_stage(
    config: SegmenterTraining, trainer: Trainer, source: BatchSource, begin: Position, work: Path
) -> None:
    stage = config.stages[begin.stage]
    for offset in range(stage.steps - begin.step):
        position = Position(begin.stage, begin.step + offset, begin.total + offset)
        started = time.perf_counter()
        batch = source.draw(position.total, stage.batch_size, config.boxes_per_image)
        terms = trainer.train_on(batch.halved_to(stage.size), position.step)
        if position.total % LOG_EVERY == 0:
            _log(work / "log.csv", position, stage, terms, time.perf_counter() - started)
        done = Position(begin.stage, position.step + 1, position.total + 1)
        if done.total % config.checkpoint_every == 0 or done.step == stage.steps:
            _write_checkpoint(work, trainer, done)


def _build_optimiser(
    network: SAM2Base, config: SegmenterTraining, stage: Stage
) -> torch.optim.AdamW:
    """Decay matrices only; the memory modules get no gradient and stay as drawn."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=stage.learning_rate)


def _claim(work: Path, config: SegmenterTraining) -> None:
    """Write the settings into a new folder, or refuse one that holds others."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "config.json"
    if path.exists() and SegmenterTraining.read(path) != config:
        raise ValueError("the work folder holds a run with other settings: choose a new one")
    path.write_text(config.to_json())


def _read_checkpoint(work: Path) -> dict[str, object] | None:
    path = work / "checkpoint.pt"
    return torch.load(path, weights_only=True) if path.exists() else None


def _write_checkpoint(work: Path, trainer: Trainer, position: Position) -> None:
    temporary = work / "checkpoint.tmp"
    torch.save(trainer.state(position), temporary)
    temporary.replace(work / "checkpoint.pt")
    save_file(trainer.averaged_weights(), work / "average.safetensors")


def _log(path: Path, position: Position, stage: Stage, terms: LossTerms, seconds: float) -> None:
    row = {
        "step": position.total,
        "size": stage.size,
        "loss": round(float(terms.total.detach()), 5),
        "cross_entropy": round(terms.cross_entropy, 5),
        "dice": round(terms.dice, 5),
        "iou": round(terms.iou, 5),
        "seconds": round(seconds, 3),
    }
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    logger.info("step %s", row)
