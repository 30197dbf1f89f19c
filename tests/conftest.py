"""Fixtures that all tests share."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import settings

from lesionmap.app.settings import dataset_root

# A busy machine is no fault of the code: property tests have no deadline.
settings.register_profile("lesionmap", deadline=None)
settings.load_profile("lesionmap")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def store() -> Path:
    """The models that are shipped."""
    return ROOT / "models" / "store"


@pytest.fixture(scope="session")
def shared_images() -> Path:
    """The shared images; tests that need them carry the marker ``data``."""
    root = dataset_root()
    root = root if root.is_absolute() else ROOT / root
    if not root.is_dir():
        pytest.skip(f"no shared images at {os.environ.get('LESIONMAP_DATA', '../shared/data')}")
    return root


@pytest.fixture(autouse=True)
def _quiet_holoscan() -> None:
    logging.getLogger("lesionmap").setLevel(logging.DEBUG)
