"""INT8 graphs of a segmenter: matrix products with 8-bit weights, one scale a channel.

Activations are quantised at run time (dynamic quantisation), so nothing is calibrated
and no image enters the artifact. Weights use 7 of their 8 bits: on processors without
VNNI instructions the product of unsigned and signed bytes is summed in 16 bits, which
full-range weights overflow.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from lesionmap.models.segmentation.networks.checkpoint import load_checkpoint, read_notes
from lesionmap.models.segmentation.networks.export import describe, export_segmenter

logger = logging.getLogger(__name__)

ARTIFACT_FILE = "model.onnx"


def quantize_segmenter(checkpoint: Path, store: Path, work: Path) -> tuple[Path, Path]:
    """Export a checkpoint and write its INT8 encoder and decoder into the store.

    The single-precision graphs stay in ``work`` for comparison. The artifacts are
    called after the checkpoint: ``<name>-encoder-int8`` and ``<name>-decoder-int8``.
    """
    encoder, decoder = export_floats(checkpoint, work)
    return (
        quantize_graph(encoder, store / f"{checkpoint.stem}-encoder-int8" / ARTIFACT_FILE),
        quantize_graph(decoder, store / f"{checkpoint.stem}-decoder-int8" / ARTIFACT_FILE),
    )


def export_floats(checkpoint: Path, work: Path) -> tuple[Path, Path]:
    """Write the single-precision encoder and decoder of a checkpoint into ``work``."""
    network, shape = load_checkpoint(checkpoint)
    return export_segmenter(network, shape, work, read_notes(checkpoint))


def quantize_graph(source: Path, target: Path, *, reduce_range: bool = True) -> Path:
    """Write the INT8 form of one graph, with the same metadata.

    Args:
        source: a single-precision graph.
        target: the file to write.
        reduce_range: 7-bit weights, exact on every processor.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(
            str(prepared),
            str(target),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
    kept = {item.key: item.value for item in onnx.load(source).metadata_props}
    describe(target, {**kept, "lesionmap.precision": "int8"})
    size = target.stat().st_size / 1e6
    logger.info("%s: %.1f MB, was %.1f MB", target.parent.name, size, source.stat().st_size / 1e6)
    return target
