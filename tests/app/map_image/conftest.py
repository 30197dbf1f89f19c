"""Build contexts and the wheel, made once: building a wheel takes seconds."""

import shutil
from pathlib import Path

import pytest

from lesionmap.app.map_image import stage
from lesionmap.app.map_image.context import write_context
from lesionmap.app.map_image.profiles import PROFILES


@pytest.fixture(scope="session")
def wheel(repository, tmp_path_factory) -> Path:
    """The wheel of this checkout, as `stage` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    stage._build_wheel(repository, folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def contexts(wheel, repository, tmp_path_factory) -> dict[str, Path]:
    """The context of each profile."""
    folder = tmp_path_factory.mktemp("contexts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_build_wheel", lambda _, app: shutil.copy(wheel, app))
        for name, each in PROFILES.items():
            write_context(
                folder / name, each, checkout=repository, base_image=each.base_image, tag="map:t"
            )
    return {name: folder / name for name in PROFILES}


@pytest.fixture(params=["cpu", "gpu"])
def profile(request):
    return PROFILES[request.param]


@pytest.fixture
def context(contexts, profile) -> Path:
    return contexts[profile.name]


@pytest.fixture
def quick_stage(wheel, monkeypatch) -> None:
    """Take the wheel that is built already, and no papers."""
    monkeypatch.setattr(stage, "_build_wheel", lambda _, app: shutil.copy(wheel, app))
    monkeypatch.setattr(stage, "write_documents", lambda folder, **_: folder.mkdir())
