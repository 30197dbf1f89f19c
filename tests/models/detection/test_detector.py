"""The detector around a graph that answers what a test tells it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.core.errors import ModelError
from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.detection.settings import DetectorSettings

SETTINGS = DetectorSettings(64, ("lesion",), score_threshold=0.5, nms_iou=0.5)


class ScriptedGraph:
    """A backend that gives the same boxes for every image and remembers what it saw."""

    def __init__(self, boxes, scores, metadata=None):
        self.boxes = np.asarray(boxes, np.float32).reshape(1, -1, 4)
        self.scores = np.asarray(scores, np.float32).reshape(1, -1, 1)
        self.metadata = SETTINGS.to_metadata() if metadata is None else metadata
        self.seen = []

    def run(self, feeds):
        self.seen.append(feeds["image"])
        return {"boxes": self.boxes, "scores": self.scores}


def grey(rows=64, columns=64):
    return np.zeros((rows, columns), np.uint8)


def test_settings_come_from_the_graph():
    assert LesionDetector(ScriptedGraph([], [])).settings == SETTINGS


def test_the_graph_runs_once_before_the_first_slice():
    graph = ScriptedGraph([], [])
    LesionDetector(graph)
    assert [image.shape for image in graph.seen] == [(1, 3, 64, 64)]


def test_best_score_comes_first_and_duplicates_go():
    graph = ScriptedGraph([[0, 0, 10, 10], [30, 30, 50, 50], [31, 30, 50, 50]], [0.6, 0.7, 0.9])
    found = LesionDetector(graph).detect_slice(grey(), slice_index=3)
    assert [round(detection.score, 3) for detection in found] == [0.9, 0.6]
    assert found[0].box.xyxy == (31, 30, 50, 50)
    assert {detection.box.slice_index for detection in found} == {3}
    assert found[0].label == "lesion"


def test_the_threshold_of_a_rule_replaces_the_recommended_one():
    detector = LesionDetector(ScriptedGraph([[0, 0, 10, 10]], [0.2]))
    assert detector.detect_slice(grey()) == []
    assert len(detector.detect_slice(grey(), score_threshold=0.1)) == 1


@given(rows=st.integers(8, 300), columns=st.integers(8, 300), x=st.integers(0, 50))
def test_boxes_return_to_the_pixels_of_the_image(rows, columns, x):
    wanted = np.array([[0.1 * columns, 0.2 * rows, 0.6 * columns, 0.9 * rows]])
    letterbox = Letterbox(rows, columns, 64)
    detector = LesionDetector(ScriptedGraph(letterbox.to_network(wanted), [0.9]))
    (found,) = detector.detect_slice(grey(rows, columns))
    assert found.box.xyxy == pytest.approx(wanted[0].tolist(), rel=1e-4, abs=1e-3)


def test_boxes_are_cut_at_the_edges_of_the_image():
    # 32 rows of 64 columns fill the upper half of the square.
    graph = ScriptedGraph([[-5, -5, 80, 80]], [0.9])
    (found,) = LesionDetector(graph).detect_slice(grey(32, 64))
    assert found.box.xyxy == (0, 0, 64, 32)


def test_boxes_in_the_padding_are_dropped():
    graph = ScriptedGraph([[10, 40, 20, 50]], [0.9])
    assert LesionDetector(graph).detect_slice(grey(32, 64)) == []


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        ([[0, 0, np.nan, 10]], [0.9]),
        ([[0, 0, 10, 10]], [np.nan]),
        ([[0, 0, 10, 10]], [np.inf]),
        ([[0, 0, 10, 10]], [1.2]),
        ([[0, 0, 10, 10]], [0.9, 0.8]),
    ],
)
def test_a_graph_that_answers_nonsense_is_refused(boxes, scores):
    with pytest.raises(ModelError):
        LesionDetector(ScriptedGraph(boxes, scores))


def test_a_graph_without_scores_is_refused():
    class Silent(ScriptedGraph):
        def run(self, feeds):
            return {"boxes": self.boxes}

    with pytest.raises(ModelError, match="scores"):
        LesionDetector(Silent([], []))


class Stack:
    """Stands for a DisplayVolume of blank slices."""

    def __len__(self):
        return 3

    def slice(self, index):
        return grey()


def test_every_slice_is_searched_and_progress_told():
    heard = []
    detector = LesionDetector(ScriptedGraph([[0, 0, 10, 10]], [0.9]))
    found = detector.detect(Stack(), on_slice=lambda done, total: heard.append((done, total)))
    assert [detection.box.slice_index for detection in found] == [0, 1, 2]
    assert heard == [(1, 3), (2, 3), (3, 3)]
