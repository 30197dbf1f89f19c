"""Run-time checks of types and array shapes, in tests only (see addopts in pyproject.toml)."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check_types(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function's annotations on each call, where beartype knows them all."""
    try:
        return _check(function)
    except BeartypeDecorHintException:
        return function
