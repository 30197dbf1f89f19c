"""The build context of a MAP: all that an engine needs, rendered by the adapted stock packager."""

import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lesionmap.app.map_image.profiles import HOLOSCAN_VERSION, Profile
from lesionmap.app.map_image.stage import let_everybody_read, new_folder, stage
from lesionmap.models.core.errors import SettingsError


def write_context(
    folder: Path, profile: Profile, *, checkout: Path, base_image: str, tag: str
) -> None:
    """Write everything that ``docker build`` needs for the MAP into ``folder``.

    Raises:
        SettingsError: the packager has another version or refuses something, or
            ``folder`` is not empty.
        ModelError: a model that app.yaml names is missing or altered.
        OutputError: ``folder`` cannot be written.
    """
    check_packager()
    from lesionmap.app.map_image.packager import package  # noqa: PLC0415

    with new_folder(folder), tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch, "stage")
        stage(staged, profile, checkout=checkout, base_image=base_image)
        package(staged, folder, profile, tag)
        let_everybody_read(folder)


def check_packager() -> None:
    """Refuse a packager that the adaptation was not written for.

    Raises:
        SettingsError: holoscan-cli is absent or of another version.
    """
    try:
        found = version("holoscan-cli")
    except PackageNotFoundError:
        found = "absent"
    if found != HOLOSCAN_VERSION:
        raise SettingsError(
            f"the packager is holoscan-cli {HOLOSCAN_VERSION}, but it is {found} here: "
            f"pip install holoscan-cli=={HOLOSCAN_VERSION}"
        )
