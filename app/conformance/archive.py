"""Read a MAP from a tar archive (`docker save`, `docker export`) or an unpacked folder."""

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lesionmap.app.conformance.dockerfile import packaged
from lesionmap.app.conformance.package import (
    CONTENT_LIMIT,
    KEPT_CONTENT,
    ImageSettings,
    Package,
    PackagedFile,
)
from lesionmap.models.core.errors import SettingsError

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_INDEX_LIMIT = 16 << 20


def read_folder(root: Path) -> Package:
    """Return the MAP in an unpacked file system; it has no image settings."""
    files = {
        "/" + str(path.relative_to(root)): packaged(path)
        for top in KEPT_CONTENT
        for path in sorted((root / top.strip("/")).rglob("*"))
    }
    for home in _homes(root):
        files |= {"/" + str(item.relative_to(root)): packaged(item) for item in home}
    return Package(files, None)


def _homes(root: Path) -> Iterator[list[Path]]:
    """Yield the folders below each ``.local/lib``, where ``pip install --user`` puts packages.

    Raises:
        OSError: a home cannot be read: what is in it is not known.
    """
    homes = (root / "home").iterdir() if (root / "home").is_dir() else ()
    for home in (root / "root", *homes):
        library = home / ".local/lib"
        if library.is_dir():
            yield [item for item in library.iterdir() if item.is_dir()]


def read_archive(path: Path) -> Package:
    """Return the MAP in an archive of `docker save`, its layers merged.

    Raises:
        SettingsError: not such an archive.
    """
    try:
        with tarfile.open(path) as archive:
            index = json.loads(_small_member(archive, "manifest.json"))[0]
            settings = image_settings(json.loads(_small_member(archive, index["Config"]))["config"])
            files: dict[str, PackagedFile] = {}
            for name in index["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    _merge(files, layer)
    except (tarfile.TarError, OSError, LookupError, ValueError, TypeError, RecursionError) as error:
        raise SettingsError(
            f"{path.name} is not an archive of `docker save` ({type(error).__name__})"
        ) from error
    return Package(files, settings)


def read_stream(stream: IO[bytes]) -> dict[str, PackagedFile]:
    """Return the files of a flat archive, such as `docker export` writes, read once."""
    files: dict[str, PackagedFile] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        _merge(files, archive)
    return files


def image_settings(config: Mapping[str, Any]) -> ImageSettings:
    """Return the settings in an image's configuration.

    Source: OCI image specification 1.1, "Image Configuration", ``config``.
    """
    pairs = [item.partition("=") for item in config.get("Env") or ()]
    return ImageSettings(
        labels=dict(config.get("Labels") or {}),
        environment={name: value for name, _, value in pairs},
        entry_point=tuple(config.get("Entrypoint") or ()),
        user=str(config.get("User") or ""),
    )


def _small_member(archive: tarfile.TarFile, name: str) -> bytes:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(name)
    return stream.read(_INDEX_LIMIT)


def _merge(files: dict[str, PackagedFile], layer: tarfile.TarFile) -> None:
    """Lay a layer over what the layers below it left.

    Source: OCI image specification 1.1, "Image Layer Filesystem Changeset".
    """
    added: dict[str, PackagedFile] = {}
    for member in layer:
        place = PurePosixPath("/", member.name)
        if place.name == _OPAQUE:
            _remove(files, place.parent)
        elif place.name.startswith(_WHITEOUT):
            _remove(files, place.with_name(place.name.removeprefix(_WHITEOUT)))
        else:
            added[str(place)] = _entry(layer, member, place)
    files.update(added)


def _remove(files: dict[str, PackagedFile], place: PurePosixPath) -> None:
    gone = [path for path in files if path == str(place) or path.startswith(f"{place}/")]
    for path in gone:
        del files[path]


def _entry(layer: tarfile.TarFile, member: tarfile.TarInfo, place: PurePosixPath) -> PackagedFile:
    content = None
    kept = any(place.is_relative_to(top) for top in KEPT_CONTENT)
    if kept and member.isreg() and member.size <= CONTENT_LIMIT:
        stream = layer.extractfile(member)
        content = stream.read() if stream else None
    return PackagedFile(member.size, member.mode, content, member.isdir())
