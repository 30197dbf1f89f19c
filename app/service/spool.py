"""The spool: where objects and results lie. Nothing in it is named by a tag.

    incoming/<key>/<instance>-<content>.dcm   a series, or a study, that is still open
    jobs/<id>/in/                             the same files once closed: the input of a job
    jobs/<id>/run-<attempt>/                  what an attempt wrote
    failed/<id>/                              the same folder, with reason.json
    jobs.db, app.yaml, lock, partial/         states, settings in force, one owner, unfinished

All folders are on one file system, so that each move is one rename.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lesionmap.models.core.errors import OutputError, SettingsError

Buffer = bytes | memoryview

_DIGITS = 32


class Spool:
    """The folders of the spool, and the moves between them."""

    def __init__(self, root: Path) -> None:
        """Use the spool below ``root``; `prepare` creates it."""
        self.root = root.absolute()
        self.database = self.root / "jobs.db"
        self.settings = self.root / "app.yaml"
        self._incoming = self.root / "incoming"
        self._jobs = self.root / "jobs"
        self._failed = self.root / "failed"
        self._partial = self.root / "partial"

    def prepare(self) -> BinaryIO:
        """Create the folders, readable by their owner alone, and take possession.

        Returns:
            The lock; the spool is ours until it is closed.

        Raises:
            OutputError: the folder cannot be written.
            SettingsError: another service owns the spool.
        """
        try:
            for folder in (self._incoming, self._jobs, self._failed, self._partial):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
            lock = (self.root / "lock").open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise SettingsError("another `lesionmap serve` uses this spool") from error
        except OSError as error:
            raise OutputError(f"the spool is not writable ({type(error).__name__})") from error
        for left in self._partial.iterdir():
            left.unlink()
        return lock

    @property
    def free_mib(self) -> int:
        """Free room on the file system of the spool."""
        return shutil.disk_usage(self.root).free >> 20

    def write_partial(self, parts: Sequence[Buffer]) -> Path:
        """Write an object under a temporary name, and wait until the disk has it.

        Raises:
            OSError: the disk is full or broken; nothing is left behind.
        """
        path = self._partial / uuid.uuid4().hex
        try:
            with path.open("xb") as stream:
                stream.writelines(parts)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def admit(self, partial: Path, key: str, name: str) -> int:
        """Give a written object its name below ``incoming``.

        Returns:
            The descriptor of its folder: `sync` it before the object is acknowledged.
        """
        folder = self._incoming / key
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            sync_folder(self._incoming)
        # Says what came later of one instance, finer than the clock of the file system.
        os.utime(partial, ns=(time.time_ns(), time.time_ns()))
        partial.replace(folder / name)
        return os.open(folder, os.O_RDONLY)

    def open_keys(self) -> dict[str, list[str]]:
        """Return the names of the objects in each folder that is still open."""
        return {path.name: list_names(path) for path in self._incoming.iterdir()}

    def close(self, key: str, job: int) -> None:
        """Make an open folder the input of a job; does nothing where that is done already.

        Of an instance that came with other content, what came last stays. What came
        after the closing is open again: a part of the series that joins it later.
        """
        folder = self._jobs / str(job)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / "in").exists():
            with suppress(FileNotFoundError):
                _keep_latest(self._incoming / key)
                (self._incoming / key).rename(folder / "in")
        for changed in (folder, self._jobs, self._incoming):
            sync_folder(changed)

    def folder(self, job: int) -> Path:
        """Return where a job's folder is, or would be."""
        failed = self._failed / str(job)
        return failed if failed.is_dir() else self._jobs / str(job)

    def names(self, job: int) -> list[str]:
        """Return the names of a job's objects."""
        return list_names(self.folder(job) / "in")

    def link(self, source: int, target: int, names: Sequence[str]) -> None:
        """Give a job objects of an earlier one, without a copy."""
        inside = self.folder(target) / "in"
        for name in names:
            with suppress(FileExistsError):
                (inside / name).hardlink_to(self.folder(source) / "in" / name)
        sync_folder(inside)

    def fail(self, job: int, reason: dict[str, object]) -> None:
        """Move a job's folder to ``failed``, with the reason."""
        folder = self.folder(job)
        if not folder.is_dir():
            return
        (folder / "reason.json").write_text(json.dumps(reason, indent=2) + "\n", encoding="utf-8")
        if folder.parent != self._failed:
            folder.rename(self._failed / str(job))

    def revive(self, job: int) -> None:
        """Move a job's folder back from ``failed``."""
        with suppress(FileNotFoundError):
            (self._failed / str(job)).rename(self._jobs / str(job))

    def discard(self, job: int) -> None:
        """Remove a job's images and results."""
        shutil.rmtree(self.folder(job), ignore_errors=True)

    def kept(self) -> Iterator[int]:
        """Yield the jobs that still have a folder."""
        for parent in (self._jobs, self._failed):
            yield from (int(path.name) for path in parent.iterdir() if path.name.isdecimal())


def object_name(sop_instance_uid: str, content: Sequence[Buffer]) -> str:
    """Return a file name: one part for who the object is, one for what it holds."""
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return f"{hashed(sop_instance_uid)}-{digest.hexdigest()[:_DIGITS]}.dcm"


def instance_of(name: str) -> str:
    """Return the part of a file name that tells instances apart, whatever they hold."""
    return name.partition("-")[0]


def hashed(text: str) -> str:
    """Return digits that stand for a UID in names and states."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_DIGITS]


def list_names(folder: Path) -> list[str]:
    """Return the names of the objects in a folder; none where it is missing."""
    with suppress(FileNotFoundError):
        return sorted(path.name for path in folder.iterdir())
    return []


def _keep_latest(folder: Path) -> None:
    latest: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        if earlier := latest.get(instance_of(path.name)):
            earlier.unlink()
        latest[instance_of(path.name)] = path


def sync(descriptor: int) -> None:
    """Wait until the disk has the names in a folder, and close it."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    sync(os.open(folder, os.O_RDONLY))


@contextmanager
def private_files() -> Iterator[None]:
    """Let nobody but the owner read what this process creates."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
