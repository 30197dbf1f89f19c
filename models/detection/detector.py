"""Find lesions on slices: one graph, suppression in NumPy, boxes in image pixels."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, Shaped, UInt8

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.errors import ModelError
from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.detection.nms import suppress
from lesionmap.models.detection.settings import DetectorSettings

# A lesion narrower than a pixel cannot be segmented.
SMALLEST_SIDE_PX = 1.0


class Backend(Protocol):
    """Something that runs a graph, such as ``OnnxModel``."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """The graph's description of itself."""

    def run(self, feeds: Mapping[str, Shaped[np.ndarray, "..."]]) -> dict[str, Any]:
        """Return the outputs by name."""


class LesionDetector:
    """A loaded detector. Safe to use for any number of volumes.

    Raises:
        ModelError: the graph is not a detector, or does not answer as one.
    """

    def __init__(self, backend: Backend, settings: DetectorSettings | None = None) -> None:
        """Wrap a graph and run it once, so that the first slice is not slower.

        Args:
            backend: the graph.
            settings: instead of those in the graph's metadata.
        """
        self._backend = backend
        self.settings = settings or DetectorSettings.from_metadata(backend.metadata)
        size = self.settings.input_size
        self.detect_slice(np.zeros((size, size), np.uint8))

    def detect(
        self,
        display: DisplayVolume,
        *,
        score_threshold: float | None = None,
        on_slice: Callable[[int, int], None] | None = None,
    ) -> list[Detection]:
        """Return the lesions of every slice, slice by slice, best score first.

        Args:
            display: the slices.
            score_threshold: instead of the one that the graph recommends.
            on_slice: called after each slice with the number done and the total.
        """
        found: list[Detection] = []
        for index in range(len(display)):
            found += self.detect_slice(
                display.slice(index), slice_index=index, score_threshold=score_threshold
            )
            if on_slice:
                on_slice(index + 1, len(display))
        return found

    def detect_slice(
        self,
        image: UInt8[np.ndarray, "rows columns *channels"],
        *,
        slice_index: int = 0,
        score_threshold: float | None = None,
    ) -> list[Detection]:
        """Return the lesions of one 8-bit image, best score first.

        Raises:
            ModelError: the graph answers with something that is not boxes and scores.
        """
        threshold = self.settings.score_threshold if score_threshold is None else score_threshold
        letterbox = Letterbox(image.shape[0], image.shape[1], self.settings.input_size)
        boxes, scores = self._answer(letterbox.fit(image))
        best = np.flatnonzero(scores.max(axis=1) >= threshold)
        best = best[np.argsort(-scores[best].max(axis=1), kind="stable")]
        best = best[: self.settings.candidates]
        # Suppression sees the boxes as they are in the image, cut at its edges.
        inside = letterbox.to_image(boxes[best])
        large = (inside[:, 2:] - inside[:, :2]).min(axis=1) >= SMALLEST_SIDE_PX
        return self._detections(inside[large], scores[best[large]], slice_index)

    def _detections(
        self,
        boxes: Float64[np.ndarray, "n 4"],
        scores: Float64[np.ndarray, "n labels"],
        slice_index: int,
    ) -> list[Detection]:
        top = scores.max(axis=1)
        kept = suppress(boxes, top, iou=self.settings.nms_iou, limit=self.settings.limit)
        found = []
        for index in kept:
            x, y, right, bottom = boxes[index].tolist()
            label = self.settings.labels[int(scores[index].argmax())]
            box = Box2D(slice_index, x, y, right - x, bottom - y)
            found.append(Detection(box, label, float(top[index])))
        return found

    def _answer(
        self, image: Shaped[np.ndarray, "3 size size"]
    ) -> tuple[Float64[np.ndarray, "anchors 4"], Float64[np.ndarray, "anchors labels"]]:
        outputs = self._backend.run({"image": image[None]})
        missing = {"boxes", "scores"} - set(outputs)
        if missing:
            raise ModelError(f"the detector gives no {sorted(missing)}: export it again")
        boxes = np.asarray(outputs["boxes"], np.float64)
        scores = np.asarray(outputs["scores"], np.float64)
        anchors = boxes.shape[1] if boxes.ndim == 3 else -1
        if (boxes.shape, scores.shape) != (
            (1, anchors, 4),
            (1, anchors, len(self.settings.labels)),
        ):
            raise ModelError(
                f"the detector gives boxes {boxes.shape} and scores {scores.shape} for "
                f"{len(self.settings.labels)} labels: export it again"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelError("the detector gives numbers that are not finite: restore its file")
        if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
            raise ModelError("the detector gives scores outside 0 to 1: export it again")
        return boxes[0], scores[0]
