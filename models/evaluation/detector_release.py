"""The numbers of a detector's model card: INT8 beside single precision."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.evaluation.detection import (
    Found,
    compare_ap50,
    evaluate,
    evaluate_part,
    find_all,
    recommend_threshold,
    to_json,
)
from lesionmap.models.quantization.detector import integer_convolutions
from lesionmap.models.training.datasets.sample import Sample
from lesionmap.models.weights.backend import OnnxModel

logger = logging.getLogger(__name__)

TIMED_IMAGES = 100

# Parts of a source that are worth a line of their own, by what a sample says.
STRATA: dict[str, Callable[[Sample], str]] = {
    "brain": lambda sample: sample.name.split("_")[0],
    "breast": lambda sample: sample.name.split("_")[0],
    "sarcoma": lambda sample: sample.modality,
}


def evaluate_release(
    int8_graph: Path,
    float_graph: Path,
    samples: Sequence[Sample],
    *,
    report: Path,
    seed: int = 20,
) -> dict[str, Any]:
    """Measure a released detector on the validation splits and write the numbers.

    Results are at the score threshold that the INT8 graph recommends. The threshold
    with the best F1 is reported beside it.

    Args:
        int8_graph: the artifact.
        float_graph: what it was quantised from.
        samples: those of the ``val`` split are used.
        report: the JSON file to write.
        seed: of the bootstrap.
    """
    held_out = [sample for sample in samples if sample.split == "val"]
    detectors = {
        "int8": LesionDetector(OnnxModel(int8_graph)),
        "fp32": LesionDetector(OnnxModel(float_graph)),
    }
    threshold = detectors["int8"].settings.score_threshold
    found = {name: find_all(detector, held_out) for name, detector in detectors.items()}
    numbers = {
        "seed": seed,
        "score_threshold": threshold,
        "best_f1_threshold": recommend_threshold(_measured(found["int8"])),
        "integer_convolutions": integer_convolutions(int8_graph),
        "bytes": {"int8": int8_graph.stat().st_size, "fp32": float_graph.stat().st_size},
        "ms_per_image_one_thread": {
            name: _milliseconds(graph, detectors[name], held_out)
            for name, graph in (("int8", int8_graph), ("fp32", float_graph))
        },
        **{name: to_json(evaluate(part, threshold, seed=seed)) for name, part in found.items()},
        "int8_minus_fp32_ap50": {
            name: {key: round(value, 4) for key, value in asdict(estimate).items()}
            for name, estimate in compare_ap50(found["fp32"], found["int8"], seed=seed).items()
        },
        "int8_strata": to_json(
            {
                name: evaluate_part(part, threshold, seed=seed)
                for name, part in strata(found["int8"]).items()
            }
        ),
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(numbers, indent=1) + "\n")
    return numbers


def strata(found: Found) -> dict[str, Found]:
    """Return the parts of every source in ``STRATA`` that have lesions."""
    parts = {}
    for source, name_of in STRATA.items():
        part = found.of(source)
        for name in sorted({name_of(sample) for sample in part.samples}):
            chosen = part.where(_named(name_of, name))
            if any(len(image.lesions) for image in chosen.images):
                parts[f"{source} {name}"] = chosen
    return parts


def _named(name_of: Callable[[Sample], str], name: str) -> Callable[[Sample], bool]:
    return lambda sample: name_of(sample) == name


def _measured(found: Found) -> Found:
    """Leave out the sarcoma demonstrator: two cropped patients tune nothing."""
    return found.where(lambda sample: sample.source != "sarcoma")


def _milliseconds(graph: Path, detector: LesionDetector, samples: Sequence[Sample]) -> float:
    """Return the time of the graph alone on one thread; the best of three rounds."""
    model, size = OnnxModel(graph, threads=1), detector.settings.input_size
    images = []
    for sample in samples[:TIMED_IMAGES]:
        rows, columns = sample.image.shape[:2]
        images.append(Letterbox(rows, columns, size).fit(sample.image)[None])
    rounds = []
    for _ in range(3):
        began = time.perf_counter()
        for image in images:
            model.run({"image": image})
        rounds.append((time.perf_counter() - began) / len(images) * 1e3)
    return round(min(rounds), 1)
