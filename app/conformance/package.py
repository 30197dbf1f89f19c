"""A MAP as the checks see it: files by their path in the image, and the image's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from lesionmap.app.conformance.manifest import (
    ApplicationManifest,
    Manifest,
    ManifestError,
    PackageManifest,
    parse_manifest,
)

APP_JSON = "/etc/holoscan/app.json"
PKG_JSON = "/etc/holoscan/pkg.json"
KEPT_CONTENT = ("/etc/holoscan", "/etc/monai", "/opt/holoscan", "/var/holoscan")
"""Where a MAP has its own files; of all others only size and mode are kept."""

CONTENT_LIMIT = 256 * 1024
"""Bytes; the content of larger files is not kept: manifests and scripts are small."""


class NotCheckedError(Exception):
    """This check cannot be made here; the message says what it would need."""


@dataclass(frozen=True)
class PackagedFile:
    """A file or folder of the image; ``content`` is None where it is not kept."""

    size: int
    mode: int
    content: bytes | None = None
    is_folder: bool = False


def is_root(user: str) -> bool:
    """Tell whether an image's ``user`` is root; none named is root."""
    return user.partition(":")[0] in ("", "root", "0")


@dataclass(frozen=True)
class ImageSettings:
    """What the image's configuration says.

    ``steps`` are RUN lines, known of a Dockerfile only; ``user_steps`` those
    that root does not run.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    entry_point: tuple[str, ...] = ()
    user: str = ""
    steps: tuple[str, ...] = ()
    user_steps: tuple[str, ...] = ()

    @property
    def is_shell_form(self) -> bool:
        """Whether a shell is put before the entry point: it drops arguments and signals."""
        return self.entry_point[:2] == ("/bin/sh", "-c")


@dataclass(frozen=True)
class Package:
    """A MAP at rest; ``settings`` is None for an unpacked file system, which has none.

    ``unseen`` are paths in the image that only a build would fill, such as the
    target of ``COPY --from`` in a Dockerfile.
    """

    files: Mapping[str, PackagedFile]
    settings: ImageSettings | None
    unseen: tuple[str, ...] = ()

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, or None if it is absent or too large to be kept.

        Raises:
            NotCheckedError: only a build would show whether it is there.
        """
        found = self.files.get(str(PurePosixPath(path)))
        if found is None:
            self._refuse_unseen(path)
        return found.content if found else None

    def below(self, folder: str) -> dict[str, PackagedFile]:
        """Return the files (not folders) below ``folder`` by their path relative to it.

        Raises:
            NotCheckedError: only a build would show whether there are any.
        """
        root = str(PurePosixPath(folder)) + "/"
        found = {
            path.removeprefix(root): item
            for path, item in self.files.items()
            if path.startswith(root) and not item.is_folder
        }
        if not found:
            self.need_all_below(folder)
        return found

    def need_all_below(self, folder: str) -> None:
        """Make sure that what is below ``folder`` is known, where only its absence is good.

        Raises:
            NotCheckedError: a build puts something there.
        """
        self._refuse_unseen(folder)
        for item in self.unseen:
            if PurePosixPath(item).is_relative_to(folder):
                raise NotCheckedError(f"{item} is made by the build: check the image")

    def _refuse_unseen(self, path: str) -> None:
        place = PurePosixPath(path)
        if any(place.is_relative_to(item) for item in self.unseen):
            raise NotCheckedError(f"{path} is made by the build: check the image")

    def need_settings(self) -> ImageSettings:
        """Return the image's settings.

        Raises:
            NotCheckedError: this is an unpacked file system.
        """
        if self.settings is None:
            raise NotCheckedError("an unpacked file system has no image configuration")
        return self.settings

    def application(self) -> ApplicationManifest:
        """Return app.json, for checks that build on it.

        Raises:
            NotCheckedError: it is missing or not valid, which another check reports.
        """
        return self._manifest(ApplicationManifest, APP_JSON)

    def package(self) -> PackageManifest:
        """Return pkg.json, for checks that build on it.

        Raises:
            NotCheckedError: it is missing or not valid, which another check reports.
        """
        return self._manifest(PackageManifest, PKG_JSON)

    def _manifest(self, schema: type[Manifest], path: str) -> Manifest:
        try:
            return parse_manifest(schema, self.read(path) or b"")
        except ManifestError as error:
            raise NotCheckedError(f"needs a valid {PurePosixPath(path).name}") from error
