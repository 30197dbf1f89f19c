"""Boxes on one slice to mask logits, with any member of the SAM2 family."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from lesionmap.models.core.boxes import Box2D
from lesionmap.models.core.errors import ModelError
from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.detection.detector import Backend
from lesionmap.models.segmentation.prompts import grow_window, stack_boxes
from lesionmap.models.segmentation.resample import resample_window
from lesionmap.models.segmentation.selection import MaskSelection, select_masks

MAPS = frozenset({"embedding", "high_res_0", "high_res_1"})

OUTSIDE_LOGIT = -30.0
"""Logit where no mask may be: beyond the grown box."""

DEFAULT_GROWTH = 0.2
"""Share of a box's side by which its mask may cross each edge."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded slice, shared by all boxes on it."""

    letterbox: Letterbox
    maps: dict[str, Float32[np.ndarray, "1 c h w"]]


class BoxSegmenter:
    """An encoder and a decoder graph that describe themselves in their metadata.

    The same path runs every artifact: a graph with an ellipse prior, or the full
    MedSAM2 graph, differ in the file alone.
    """

    def __init__(
        self, encoder: Backend, decoder: Backend, *, growth: float = DEFAULT_GROWTH
    ) -> None:
        """Pair two graphs and run them once, so that the first slice is not slower.

        Raises:
            ModelError: a graph has another role, or the two differ in input size, or
                they do not answer as a segmenter does.
        """
        self._encoder, self._decoder = encoder, decoder
        self._growth = growth
        self._size = _input_size(encoder, "encoder")
        if _input_size(decoder, "decoder") != self._size:
            raise ModelError("encoder and decoder were exported for different input sizes")
        self._selection = _selection(decoder)
        blank = np.zeros((self._size, self._size), np.uint8)
        self.decode(self.encode(blank), [Box2D(0, 1, 1, self._size / 2, self._size / 2)])

    @property
    def input_size(self) -> int:
        """Side of the square that the encoder takes, in pixels."""
        return self._size

    def encode(self, image: UInt8[np.ndarray, "rows columns *channels"]) -> Embedding:
        """Encode one display slice, grey or colour.

        Raises:
            ModelError: the encoder's outputs have other names.
        """
        letterbox = Letterbox(image.shape[0], image.shape[1], self._size)
        maps = self._encoder.run({"image": letterbox.fit(image)[None]})
        if set(maps) != MAPS:
            raise ModelError(f"the encoder gives {sorted(maps)}, expected {sorted(MAPS)}")
        return Embedding(letterbox, maps)

    def decode(
        self, embedding: Embedding, boxes: Sequence[Box2D]
    ) -> Float32[np.ndarray, "n rows columns"]:
        """Return mask logits on the slice's own pixel grid; above 0 is lesion.

        A mask stays inside its box grown by the segmenter's growth on every edge.

        Raises:
            ModelError: the decoder lacks an output, or gives numbers that are not finite.
        """
        letterbox = embedding.letterbox
        shape = len(boxes), letterbox.rows, letterbox.columns
        logits = np.full(shape, OUTSIDE_LOGIT, np.float32)
        if not boxes:
            return logits
        for index, mask in enumerate(self._decode_small(embedding, boxes)):
            steps = _logits_per_pixel(letterbox, mask.shape[0])
            window = grow_window(boxes[index], self._growth, *shape[1:])
            logits[index][window] = resample_window(mask, window, steps)
        return logits

    def _decode_small(
        self, embedding: Embedding, boxes: Sequence[Box2D]
    ) -> Float32[np.ndarray, "n h w"]:
        """Return the selected mask of each box on the network's own grid.

        Raises:
            ModelError: a logit is not finite; it would silently count as no lesion.
        """
        edges = embedding.letterbox.to_network(stack_boxes(boxes)).astype(np.float32)
        outputs = self._decoder.run({**embedding.maps, "boxes": edges})
        missing = {"mask_logits", "iou"} - set(outputs)
        if missing:
            raise ModelError(f"the decoder gives no {sorted(missing)}: export it again")
        masks = select_masks(outputs["mask_logits"], outputs["iou"], self._selection)
        if not np.isfinite(masks).all():
            raise ModelError("the decoder gives numbers that are not finite: restore its file")
        return masks


def _logits_per_pixel(letterbox: Letterbox, side: int) -> tuple[float, float]:
    rows, columns = letterbox.fitted
    share = side / letterbox.size
    return share * rows / letterbox.rows, share * columns / letterbox.columns


def _input_size(model: Backend, role: str) -> int:
    found = model.metadata.get("lesionmap.role", "none")
    if found != role:
        raise ModelError(f"the graph's role is {found}, expected {role}: swap the artifacts?")
    try:
        return int(model.metadata["lesionmap.input_size"])
    except (KeyError, ValueError) as error:
        raise ModelError(f"the {role} does not state its input size: export it again") from error


def _selection(decoder: Backend) -> MaskSelection:
    stated = decoder.metadata.get("lesionmap.mask_selection", "first")
    try:
        return MaskSelection(stated)
    except ValueError as error:
        known = ", ".join(MaskSelection)
        raise ModelError(f"mask selection is '{stated}', this version knows {known}") from error
