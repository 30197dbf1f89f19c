import numpy as np
import pytest

from lesionmap.models.evaluation.bootstrap import bootstrap_mean


def test_the_interval_holds_the_mean_and_counts_patients():
    values = np.random.default_rng(0).normal(0.8, 0.1, 60)
    interval = bootstrap_mean(values, [f"p{n % 20}" for n in range(60)])
    assert interval.low < interval.mean < interval.high
    assert (interval.n, interval.patients) == (60, 20)


def test_one_number_for_all_has_no_width():
    interval = bootstrap_mean(np.full(5, 0.7), list("abcde"))
    assert (interval.low, interval.high) == pytest.approx((0.7, 0.7))


def test_the_same_seed_gives_the_same_interval():
    values = np.linspace(0, 1, 30)
    patients = [str(n) for n in range(30)]
    assert bootstrap_mean(values, patients) == bootstrap_mean(values, patients)


def test_alike_images_of_one_patient_widen_the_interval():
    values = np.repeat(np.random.default_rng(1).normal(0.8, 0.1, 10), 10)
    by_patient = bootstrap_mean(values, [str(n // 10) for n in range(100)])
    by_image = bootstrap_mean(values, [str(n) for n in range(100)])
    assert by_patient.high - by_patient.low > 2 * (by_image.high - by_image.low)
