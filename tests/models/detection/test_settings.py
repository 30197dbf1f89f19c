"""A detector's description of itself."""

import pytest

from lesionmap.models.core.errors import ModelError
from lesionmap.models.detection.settings import DetectorSettings

SETTINGS = DetectorSettings(256, ("lesion",), score_threshold=0.35, nms_iou=0.5)


def test_metadata_round_trip():
    assert DetectorSettings.from_metadata(SETTINGS.to_metadata()) == SETTINGS


def test_another_role_is_refused():
    metadata = {**SETTINGS.to_metadata(), "lesionmap.role": "encoder"}
    with pytest.raises(ModelError, match="'encoder', expected a 'detector'"):
        DetectorSettings.from_metadata(metadata)


@pytest.mark.parametrize("key", sorted(SETTINGS.to_metadata()))
def test_a_missing_entry_is_refused(key):
    metadata = SETTINGS.to_metadata()
    del metadata[key]
    with pytest.raises(ModelError, match=key):
        DetectorSettings.from_metadata(metadata)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lesionmap.input_size", "large"),
        ("lesionmap.input_size", "0"),
        ("lesionmap.labels", "[]"),
        ("lesionmap.labels", "not json"),
        ("lesionmap.score_threshold", "1.5"),
        ("lesionmap.nms_iou", "nan"),
    ],
)
def test_nonsense_is_refused(key, value):
    with pytest.raises(ModelError, match="export it again"):
        DetectorSettings.from_metadata({**SETTINGS.to_metadata(), key: value})
