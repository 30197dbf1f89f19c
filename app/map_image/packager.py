"""The stock packager of holoscan-cli, up to its call of buildx, with what it renders adapted.

Past 4.2.0 these modules are gone: import this one after `check_packager`.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from holoscan_cli.__main__ import parse_args
from holoscan_cli.common.exceptions import HoloscanSdkError
from holoscan_cli.packager.arguments import PackagingArguments
from holoscan_cli.packager.container_builder import PythonAppBuilder

from lesionmap.app.map_image import pins
from lesionmap.app.map_image.edits import adapt_dockerfile, adapt_entry_point
from lesionmap.app.map_image.profiles import UNUSED, Profile
from lesionmap.app.map_image.stage import ARTIFACTS
from lesionmap.models.core.errors import SettingsError


class ContextBuilder(PythonAppBuilder):
    """The stock builder; Dockerfile and entry point are adapted, and no image is built."""

    def __init__(self, arguments: PackagingArguments, folder: Path, profile: Profile) -> None:
        """Copy app, models, docs and entry point to ``folder``."""
        self._profile = profile
        super().__init__(arguments.build_parameters, str(folder))

    def _get_template(self, platform_parameters: Any) -> str:
        return adapt_dockerfile(super()._get_template(platform_parameters), self._profile)

    def _copy_script(self) -> str:
        script = Path(super()._copy_script())
        script.write_text(adapt_entry_point(script.read_text()))
        return str(script)

    def _copy_pip_requirements(self) -> None:
        super()._copy_pip_requirements()
        requirements = Path(self._temp_dir, "pip", "requirements.txt")
        requirements.write_text(pins.drop(requirements.read_text(), UNUSED))

    def _build_internal(self, *_: Any, **__: Any) -> Any:
        return None


def package(staged: Path, folder: Path, profile: Profile, tag: str) -> None:
    """Write the build context of a staged app to ``folder``.

    Raises:
        SettingsError: the packager refuses app.yaml or the tag, or renders what
            the adaptation was not written for.
    """
    try:
        arguments = PackagingArguments(_parse(staged, tag), str(folder))
        _write_manifests(arguments, folder / "map", profile)
        builder = ContextBuilder(arguments, folder, profile)
        for platform in arguments.platforms:
            builder.build(platform)
    except HoloscanSdkError as error:
        raise SettingsError(f"the packager refuses: {error}") from error


def _parse(staged: Path, tag: str) -> Any:
    command = [
        *("monai-deploy", "package", str(staged / "app"), "--sdk", "monai-deploy"),
        *("--config", str(staged / "app.yaml"), "--source", str(staged / ARTIFACTS)),
        *("--models", str(staged / "models"), "--docs", str(staged / "docs")),
        *("--tag", tag, "--platform", "x86_64"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # its checks leave folders open
        return parse_args(command)


def _write_manifests(arguments: PackagingArguments, folder: Path, profile: Profile) -> None:
    """Write both: app.json with the type that it lacks, pkg.json for the profile's hosts.

    Source: MONAI Application Package 1.0.0, Application Manifest and Package Manifest.
    """
    app = {**arguments.application_manifest.data, "type": "application"}
    stock = arguments.package_manifest.data
    resources = {**stock["resources"], "gpu": profile.gpus}
    adapted = {**stock, "resources": resources, "platformConfig": profile.platform_config}
    folder.mkdir()
    (folder / "app.json").write_text(json.dumps(app))
    (folder / "pkg.json").write_text(json.dumps(adapted))
