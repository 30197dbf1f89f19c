"""The numbers of a segmenter's model card: INT8 beside single precision."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionmap.models.evaluation.segmentation import (
    DRAWS,
    JITTER,
    ImageDice,
    evaluate_segmenter,
    summarise,
)
from lesionmap.models.quantization.segmenter import ARTIFACT_FILE
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.models.training.datasets import Sample
from lesionmap.models.training.segmenter_samples import read_samples
from lesionmap.models.weights.backend import OnnxModel

SOURCES = ("brain", "breast", "polyps", "sarcoma", "organs")


def open_segmenter(encoder: Path, decoder: Path, threads: int = 1) -> BoxSegmenter:
    """Load a pair of graphs from files, without the catalog."""
    return BoxSegmenter(OnnxModel(encoder, threads), OnnxModel(decoder, threads))


def evaluate_release(
    name: str, *, store: Path, float_folder: Path, root: Path, report: Path, seed: int = 0
) -> dict[str, Any]:
    """Measure a released segmenter on the validation splits and write the numbers.

    Args:
        name: of the checkpoint; the artifacts are ``<name>-encoder-int8`` and so on.
        store: where the INT8 graphs are.
        float_folder: where ``quantize_segmenter`` left the single-precision graphs.
        root: of the data sets.
        report: the JSON file to write.
        seed: of the jittered boxes.
    """
    samples = [sample for sample in read_samples(SOURCES, root) if sample.split == "val"]
    segmenters = {
        "int8": open_segmenter(
            store / f"{name}-encoder-int8" / ARTIFACT_FILE,
            store / f"{name}-decoder-int8" / ARTIFACT_FILE,
        ),
        "fp32": open_segmenter(float_folder / "encoder.onnx", float_folder / "decoder.onnx"),
    }
    measured = {
        precision: evaluate_segmenter(segmenter, samples, seed=seed)
        for precision, segmenter in segmenters.items()
    }
    numbers = {"name": name, "seed": seed, **tabulate(measured), **_counts(samples)}
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(numbers, indent=1) + "\n")
    return numbers


def tabulate(measured: Mapping[str, Sequence[ImageDice]]) -> dict[str, Any]:
    """Return the reports of both precisions, and the largest change between them."""
    table: dict[str, Any] = {"jitter": JITTER, "draws": DRAWS}
    for precision, items in measured.items():
        table[precision] = {n: report.as_json() for n, report in summarise(items).items()}
    table["int8_minus_fp32"] = {
        source: {
            kind: round(_mean_change(measured, source, kind), 5) for kind in ("tight", "jittered")
        }
        for source in table["int8"]
    }
    return table


def _mean_change(measured: Mapping[str, Sequence[ImageDice]], source: str, kind: str) -> float:
    means = [
        np.mean([getattr(item, kind) for item in measured[precision] if item.source == source])
        for precision in ("int8", "fp32")
    ]
    return float(means[0] - means[1])


def _counts(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    kept = [sample for sample in samples if sample.masks]
    return {"lesions": {n: sum(len(s.masks) for s in kept if s.source == n) for n in SOURCES}}
