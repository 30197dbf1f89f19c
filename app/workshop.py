"""`lesionmap train | quantize | evaluate`: need the training environment (`make workshop`).

The training stack is imported inside the commands: the run time must work without it.
"""

# ruff: noqa: PLC0415

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lesionmap.app.settings import dataset_root, default_store
from lesionmap.models.core.errors import SettingsError

train_app = typer.Typer(help="Train a model from scratch; stopped runs go on where they were.")
quantize_app = typer.Typer(help="Export a trained checkpoint and write its INT8 graphs.")
evaluate_app = typer.Typer(help="Measure INT8 and fp32 graphs on the validation splits.")

Work = Annotated[Path, typer.Argument(metavar="WORK", help="Folder of the run.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="JSON options; default: ours.")]
Dataset = Annotated[
    Path | None, typer.Option("--data", help="Folder of the data sets (LESIONMAP_DATA).")
]
Store = Annotated[Path | None, typer.Option("--store", "-m", help="Where INT8 graphs are.")]
Floats = Annotated[Path, typer.Option("--fp32", help="Where the graphs before INT8 are kept.")]
Report = Annotated[Path, typer.Option("--report", help="JSON file for the numbers.")]

DETECTOR = "yolo-nas-nano-256"
SEGMENTER = "sam2-small-256"
CHECKPOINTS = Path("models/checkpoints")
PAPERS = Path("docs/models")
FLOATS = Path(".cache/fp32")


@train_app.command("detector")
def train_detector(work: Work, config: Config = None, data: Dataset = None) -> None:
    """Train YOLO-NAS on the shared data sets; keep the averaged weights in WORK."""
    _begin()
    from lesionmap.models.training.detector import train
    from lesionmap.models.training.detector_config import DetectorTraining

    options = DetectorTraining.from_json(config.read_text()) if config else DetectorTraining()
    _tell(train(options, data or dataset_root(), work))


@train_app.command("segmenter")
def train_segmenter(work: Work, config: Config = None, data: Dataset = None) -> None:
    """Train the SAM2-family segmenter on the shared data sets; keep the weights in WORK."""
    _begin()
    from lesionmap.models.training.segmenter import train
    from lesionmap.models.training.segmenter_config import SegmenterTraining

    options = SegmenterTraining.read(config) if config else SegmenterTraining()
    _tell(train(options, data or dataset_root(), work))


@train_app.command("memory")
def train_memory_modules(
    work: Work,
    checkpoint: Annotated[Path, typer.Argument()] = CHECKPOINTS / f"{SEGMENTER}.safetensors",
    config: Config = None,
    data: Dataset = None,
) -> None:
    """Teach a trained segmenter to follow a lesion through slices; nothing uses it yet."""
    _begin()
    from lesionmap.models.training.memory import train_memory
    from lesionmap.models.training.memory_config import MemoryTraining

    options = MemoryTraining.read(config) if config else MemoryTraining()
    _tell(train_memory(options, checkpoint, data or dataset_root(), work))


@quantize_app.command("detector")
def quantize_detector(
    checkpoint: Annotated[Path, typer.Argument()] = CHECKPOINTS / f"{DETECTOR}.safetensors",
    config: Config = None,
    data: Dataset = None,
    store: Store = None,
    fp32: Floats = FLOATS,
) -> None:
    """Export YOLO-NAS and quantise it, calibrated on images of the training split."""
    _begin()
    from lesionmap.models.quantization.detector_release import (
        DetectorRelease,
        release_detector,
        release_samples,
    )

    release = DetectorRelease.from_json(config.read_text()) if config else DetectorRelease()
    paths = release_detector(
        release,
        checkpoint,
        store=store or default_store(),
        float_folder=fp32 / release.name,
        samples=release_samples(release, data or dataset_root()),
    )
    _tell(*paths)


@quantize_app.command("segmenter")
def quantize_segmenter(
    checkpoint: Annotated[Path, typer.Argument()] = CHECKPOINTS / f"{SEGMENTER}.safetensors",
    store: Store = None,
    fp32: Floats = FLOATS,
) -> None:
    """Export encoder and decoder of a segmenter and quantise both."""
    _begin()
    from lesionmap.models.quantization.segmenter import quantize_segmenter as quantize

    _tell(*quantize(checkpoint, store or default_store(), fp32 / checkpoint.stem))


@evaluate_app.command("detector")
def evaluate_detector(
    config: Config = None,
    data: Dataset = None,
    store: Store = None,
    fp32: Floats = FLOATS,
    report: Report = PAPERS / DETECTOR / "metrics.json",
) -> None:
    """Measure AP of the INT8 and the fp32 detector, with intervals by patient."""
    _begin()
    from lesionmap.models.evaluation.detector_release import evaluate_release
    from lesionmap.models.quantization.detector_release import (
        FLOAT_GRAPH,
        INT8_GRAPH,
        DetectorRelease,
        export_release,
        release_samples,
    )

    release = DetectorRelease.from_json(config.read_text()) if config else DetectorRelease()
    float_graph = fp32 / release.name / FLOAT_GRAPH
    if not float_graph.is_file():
        export_release(release, CHECKPOINTS / f"{DETECTOR}.safetensors", float_graph)
    numbers = evaluate_release(
        (store or default_store()) / release.name / INT8_GRAPH,
        float_graph,
        release_samples(release, data or dataset_root()),
        report=report,
    )
    Console().print_json(json.dumps(numbers))


@evaluate_app.command("segmenter")
def evaluate_segmenter(
    name: Annotated[str, typer.Argument()] = SEGMENTER,
    data: Dataset = None,
    store: Store = None,
    fp32: Floats = FLOATS,
    report: Report = PAPERS / SEGMENTER / "metrics.json",
) -> None:
    """Measure Dice of the INT8 and the fp32 segmenter beside the ellipse in the same box."""
    _begin()
    from lesionmap.models.evaluation.segmenter_release import evaluate_release
    from lesionmap.models.quantization.segmenter import export_floats

    if not (fp32 / name / "decoder.onnx").is_file():
        export_floats(CHECKPOINTS / f"{name}.safetensors", fp32 / name)
    numbers = evaluate_release(
        name,
        store=store or default_store(),
        float_folder=fp32 / name,
        root=data or dataset_root(),
        report=report,
    )
    Console().print_json(json.dumps(numbers))


def _begin() -> None:
    if find_spec("torch") is None:
        raise SettingsError("this command needs the training environment: run `make workshop`")
    logging.getLogger("lesionmap").setLevel(logging.INFO)


def _tell(*paths: Path) -> None:
    for path in paths:
        Console().print(str(path), highlight=False, soft_wrap=True)
