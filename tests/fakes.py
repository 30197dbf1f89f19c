"""Stand-ins for the trained models, with the same methods and known answers."""

import numpy as np

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.finding import ModelIdentity
from lesionmap.operators.model_set import LoadedModels

IDENTITY = ModelIdentity("fake", "0.0.0", "0" * 64, "fp32", "numpy")


class BrightDetector:
    """Finds one box around all pixels at full brightness of a slice."""

    def detect(self, display, *, score_threshold=None, on_slice=None):
        found = []
        for index in range(len(display)):
            rows, columns = np.nonzero(
                display.slice(index).reshape(*display.grid.shape[1:], -1)[..., 0] == 255
            )
            if len(rows):
                x, y = float(columns.min()), float(rows.min())
                box = Box2D(index, x, y, float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1)
                found.append(Detection(box, "lesion", 0.9))
            if on_slice:
                on_slice(index + 1, len(display))
        return found


class BrightSegmenter:
    """Takes the pixels at full brightness inside each box."""

    def encode(self, image):
        return image

    def decode(self, embedding, boxes):
        grey = embedding if embedding.ndim == 2 else embedding[..., 0]
        logits = np.full((len(boxes), *grey.shape), -10.0, np.float32)
        for index, box in enumerate(boxes):
            left, top, right, bottom = (round(edge) for edge in box.xyxy)
            window = np.s_[top:bottom, left:right]
            logits[index][window] = np.where(grey[window] == 255, 10.0, -10.0)
        return logits


class FailingDetector:
    """Raises an error that nobody foresaw, with text that must not get out."""

    def detect(self, display, **_):
        raise KeyError("Test^Case T-1")


def fake_models(detector=None):
    return LoadedModels(detector or BrightDetector(), BrightSegmenter(), (IDENTITY,))
