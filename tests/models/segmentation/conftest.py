"""Stand-ins for the graphs of a segmenter: peers of ``OnnxModel`` that draw by rule."""

import numpy as np
import pytest

from lesionmap.models.segmentation.segmenter import BoxSegmenter

SIZE = 64


class FakeEncoder:
    """Keeps the mean of the image in its embedding and counts its calls."""

    def __init__(self, metadata=None):
        self.metadata = {
            "lesionmap.role": "encoder",
            "lesionmap.input_size": str(SIZE),
            **(metadata or {}),
        }
        self.calls = 0

    def run(self, feeds):
        self.calls += 1
        (image,) = feeds.values()
        assert image.shape == (1, 3, SIZE, SIZE)
        assert image.dtype == np.float32
        grey = image.mean(axis=1, keepdims=True)
        blocks = grey.reshape(1, 1, SIZE // 4, 4, SIZE // 4, 4).mean(axis=(3, 5))
        return {
            "embedding": np.zeros((1, 256, SIZE // 16, SIZE // 16), np.float32),
            "high_res_0": blocks.astype(np.float32),
            "high_res_1": np.zeros((1, 64, SIZE // 8, SIZE // 8), np.float32),
        }


class FakeDecoder:
    """Calls bright pixels lesion, wherever the box is."""

    def __init__(self, metadata=None, *, masks=1, fill=None):
        self.metadata = {
            "lesionmap.role": "decoder",
            "lesionmap.input_size": str(SIZE),
            **(metadata or {}),
        }
        self.masks, self.fill = masks, fill
        self.boxes = []

    def run(self, feeds):
        boxes = feeds["boxes"]
        assert boxes.dtype == np.float32
        self.boxes.append(boxes)
        bright = (feeds["high_res_0"] - 0.5) * 20
        logits = np.repeat(np.repeat(bright, self.masks, 1), len(boxes), 0)
        if self.fill is not None:
            logits = np.full_like(logits, self.fill)
        iou = np.tile(np.linspace(0.1, 0.9, self.masks, dtype=np.float32), (len(boxes), 1))
        return {
            "mask_logits": logits,
            "iou": iou,
            "object_score": np.ones((len(boxes), 1), np.float32),
        }


@pytest.fixture
def make_encoder():
    return FakeEncoder


@pytest.fixture
def make_decoder():
    return FakeDecoder


@pytest.fixture
def encoder():
    return FakeEncoder()


@pytest.fixture
def segmenter(encoder):
    return BoxSegmenter(encoder, FakeDecoder())
