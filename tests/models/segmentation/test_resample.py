import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.segmentation.resample import resample_window, sampling_matrix


@given(st.integers(1, 20), st.lists(st.floats(-5, 30), min_size=1, max_size=10))
def test_weights_are_a_mean(extent, positions):
    weights = sampling_matrix(np.array(positions), extent)
    assert (weights >= -1e-6).all()
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)


@given(st.integers(2, 20), st.floats(0, 1))
def test_a_straight_line_is_read_exactly(extent, place):
    line = np.arange(extent, dtype=np.float32) * 3 - 1
    position = place * (extent - 1)
    read = sampling_matrix(np.array([position]), extent) @ line
    assert np.isclose(read[0], position * 3 - 1, atol=1e-4)


def test_a_window_is_the_part_of_the_whole():
    logits = np.random.default_rng(0).normal(size=(16, 12)).astype(np.float32)
    steps = 0.25, 0.3
    whole = resample_window(logits, (slice(0, 64), slice(0, 40)), steps)
    part = resample_window(logits, (slice(10, 30), slice(5, 25)), steps)
    assert np.allclose(whole[10:30, 5:25], part, atol=1e-5)


def test_same_grid_is_the_identity():
    logits = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    assert np.allclose(resample_window(logits, (slice(0, 5), slice(0, 7)), (1.0, 1.0)), logits)
