"""Train the YOLO-NAS detector from scratch: seeded, resumable, on a CPU.

A run lives in one folder: ``config.json``, ``log.csv`` (one row every hundred steps),
``last.pt`` (everything needed to go on) and, at the end, ``average.safetensors`` and
``checkpoint.safetensors``, the same weights fused and halved, from which graphs are made.
"""

import csv
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from lesionmap.models.detection.networks.export import save_checkpoint
from lesionmap.models.detection.networks.yolo_nas import build_yolo_nas, detection_loss
from lesionmap.models.training.datasets import load_samples
from lesionmap.models.training.datasets.sample import Sample
from lesionmap.models.training.detector_batches import BatchSource
from lesionmap.models.training.detector_config import DetectorTraining
from lesionmap.models.training.ema import WeightAverage
from lesionmap.models.training.replicas import LossParts, Replicas

logger = logging.getLogger(__name__)

LOG_EVERY = 100
COLUMNS = ("step", "size", "learning_rate", "loss", "class", "iou", "dfl", "seconds")


@dataclass
class _Run:
    """What changes while training; all of it is in a checkpoint."""

    network: nn.Module
    average: WeightAverage
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0


def train(
    config: DetectorTraining,
    root: Path,
    folder: Path,
    *,
    samples: Sequence[Sample] | None = None,
) -> Path:
    """Train, or go on with the run in ``folder``, and return the checkpoint to quantise.

    Args:
        config: everything that changes the weights.
        root: folder of the data sets.
        folder: the run's folder.
        samples: instead of the data sets of ``config.shares`` below ``root``.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config.to_json())
    found = load_samples(config.shares, root) if samples is None else samples
    batches = BatchSource(found, shares=config.shares, batch=config.batch, seed=config.seed)
    run = _start(config)
    _restore(run, folder / "last.pt")
    logger.info("training %s from step %d to %d", config.member, run.step, config.steps)
    _loop(run, batches, config, folder)
    weights = folder / "average.safetensors"
    save_file(run.average.network.state_dict(), weights)
    checkpoint = folder / "checkpoint.safetensors"
    save_checkpoint(weights, config.member, checkpoint)
    return checkpoint


def _start(config: DetectorTraining) -> _Run:
    network = build_yolo_nas(config.member).train()
    # Biases, normalisation and the learned residual scales are not pulled to zero.
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
    )
    return _Run(network, WeightAverage(network, config.ema_decay), optimizer)


def _loop(run: _Run, batches: BatchSource, config: DetectorTraining, folder: Path) -> None:
    replicas = Replicas(run.network, detection_loss, config.replicas)
    sums = torch.zeros(4)
    saved = began = time.monotonic()
    before = run.seconds
    while run.step < config.steps:
        sums += _step(run, batches, config, replicas)
        run.step += 1
        now = time.monotonic()
        run.seconds = before + now - began
        if run.step % LOG_EVERY == 0:
            _log(run, config, sums / LOG_EVERY, folder / "log.csv")
            sums.zero_()
            # Only here, so that a resumed run repeats no row of the log.
            if now - saved > config.checkpoint_seconds:
                _save(run, folder / "last.pt")
                saved = now
    _save(run, folder / "last.pt")


def _step(
    run: _Run, batches: BatchSource, config: DetectorTraining, replicas: Replicas
) -> LossParts:
    """Take one optimizer step; return total, class, IoU and DFL loss."""
    images, targets = batches.draw(
        run.step, config.size_at(run.step), calm=config.is_calm(run.step)
    )
    for group in run.optimizer.param_groups:
        group["lr"] = config.learning_rate_at(run.step)
    losses = replicas.backward(images, targets)
    nn.utils.clip_grad_norm_(run.network.parameters(), config.gradient_clip)
    run.optimizer.step()
    run.average.update(run.network, run.step)
    return losses


def _log(run: _Run, config: DetectorTraining, means: torch.Tensor, path: Path) -> None:
    is_new = not path.exists()
    step = run.step - 1
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if is_new:
            writer.writerow(COLUMNS)
        losses = [f"{value:.4f}" for value in means.tolist()]
        rate = f"{config.learning_rate_at(step):.2e}"
        writer.writerow([run.step, config.size_at(step), rate, *losses, f"{run.seconds:.0f}"])


def _save(run: _Run, path: Path) -> None:
    state = {
        "network": run.network.state_dict(),
        "average": run.average.network.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
    }
    fresh = path.with_suffix(".tmp")
    torch.save(state, fresh)
    fresh.rename(path)


def _restore(run: _Run, path: Path) -> None:
    if path.exists():
        state = torch.load(path, weights_only=True)
        run.network.load_state_dict(state["network"])
        run.average.network.load_state_dict(state["average"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.step, run.seconds = state["step"], state["seconds"]
