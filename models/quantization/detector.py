"""INT8 detector: static quantisation with ONNX Runtime, calibrated on training images."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from jaxtyping import Float32
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.training.datasets.sample import Sample

logger = logging.getLogger(__name__)

# What is quantised, by parts of node names. The class and box convolutions, the softmax
# over the distance bins, decoding and averaging with the mirror image stay in float, where
# they cost little: boxes in eight bits would be off by a pixel. So do the two stages whose
# quantisation changes the answers on training images most, the first of the backbone and
# the second of the neck; both work on the finest grid.
QUANTISED_PARTS = (
    "/backbone/stem",
    "/backbone/stage2",
    "/backbone/stage3",
    "/backbone/stage4",
    "/backbone/context_module",
    "/neck/neck1",
    "/neck/neck3",
    "/neck/neck4",
    "heads/head1/stem",
    "heads/head2/stem",
    "heads/head3/stem",
    "cls_convs",
    "reg_convs",
)


@dataclass(frozen=True)
class Quantization:
    """Options of ``quantize_detector``.

    ``reduce_range`` keeps weights to seven bits: without VNNI, processors add pairs of
    products of unsigned and signed bytes in 16 bits, which saturate with eight. The
    graph then gives the same boxes on every processor.
    """

    images_per_source: int = 32
    seed: int = 20
    reduce_range: bool = True


class CalibrationImages(CalibrationDataReader):
    """Feeds images to the calibrator, one at a time."""

    def __init__(self, images: Sequence[Float32[np.ndarray, "3 size size"]]) -> None:
        """Keep the images."""
        self._images = images
        self._left: Iterator[Float32[np.ndarray, "3 size size"]] = iter(images)

    def get_next(self) -> dict[str, Float32[np.ndarray, "1 3 size size"]] | None:
        """Return the next image as a feed, None at the end."""
        image = next(self._left, None)
        return None if image is None else {"image": image[None]}

    def rewind(self) -> None:
        """Start again."""
        self._left = iter(self._images)


def calibration_images(
    samples: Sequence[Sample], size: int, options: Quantization
) -> list[Float32[np.ndarray, "3 size size"]]:
    """Draw as many training images of every source, as the network sees them.

    Raises:
        ValueError: there is no training sample.
    """
    rng = np.random.default_rng(options.seed)
    training = [sample for sample in samples if sample.split == "train"]
    if not training:
        raise ValueError("calibration needs training images")
    drawn: list[Sample] = []
    for source in sorted({sample.source for sample in training}):
        pool = [sample for sample in training if sample.source == source]
        count = min(options.images_per_source, len(pool))
        drawn += [pool[index] for index in rng.choice(len(pool), count, replace=False)]
    return [_fit(sample, size) for sample in drawn]


def _fit(sample: Sample, size: int) -> Float32[np.ndarray, "3 size size"]:
    rows, columns = sample.image.shape[:2]
    return Letterbox(rows, columns, size).fit(sample.image)


def quantize_detector(
    source: Path,
    target: Path,
    images: Sequence[Float32[np.ndarray, "3 size size"]],
    options: Quantization,
) -> int:
    """Write an INT8 version of a float detector graph.

    Unsigned activations and signed weights by channel is the combination for which ONNX
    Runtime has fast kernels on x86; the returned count proves that they are used.

    Returns:
        The number of integer convolutions in the graph that ONNX Runtime will run.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared)
        quantize_static(
            prepared,
            target,
            CalibrationImages(images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=options.reduce_range,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=float_nodes(prepared),
        )
    _copy_properties(source, target, {"lesionmap.calibration_seed": str(options.seed)})
    count = integer_convolutions(target)
    logger.info("%d images calibrated %s with %d integer convolutions", len(images), target, count)
    return count


def float_nodes(path: Path) -> list[str]:
    """Return the names of a detector's nodes that stay in float."""
    nodes = onnx.load(path).graph.node
    return [node.name for node in nodes if not any(part in node.name for part in QUANTISED_PARTS)]


def integer_convolutions(path: Path) -> int:
    """Count the integer convolutions after ONNX Runtime's own optimisation."""
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(optimised)
        options.log_severity_level = 3
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(optimised).graph.node
        return sum(node.op_type == "QLinearConv" for node in nodes)


def _copy_properties(source: Path, target: Path, extra: dict[str, str]) -> None:
    properties = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    graph = onnx.load(target)
    onnx.helper.set_model_props(graph, {**properties, **extra})
    onnx.save(graph, target)
