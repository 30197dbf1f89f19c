"""Numbers keep their digits, however small they are."""

import pytest

from lesionmap.models.core.lettering import three_digits


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1234.5, "1234"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.5, "0.500"),
        (0.0123, "0.0123"),
        (0.000216, "0.000216"),
        (0.0, "0"),
    ],
)
def test_three_digits_are_significant(value, expected):
    assert three_digits(value) == expected
