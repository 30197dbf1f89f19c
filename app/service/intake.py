"""Take one object: refuse, ignore, or put it on disk before it is acknowledged."""

import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO

from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from lesionmap.app.serve_settings import ServeSettings
from lesionmap.app.service.arrivals import Arrivals, Closing, Standing
from lesionmap.app.service.job import State
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.metrics import Metrics
from lesionmap.app.service.spool import Buffer, Spool, hashed, object_name, sync
from lesionmap.models.core.errors import PixelError
from lesionmap.operators.dicom.arrival import Arrival, is_image_class, is_uid, peek

logger = logging.getLogger(__name__)

_PREAMBLE = b"\x00" * 128 + b"DICM"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class StoreStatus(IntEnum):
    """Answers to C-STORE. Source: DICOM PS3.4, table B.2-1, and PS3.7, annex C."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    OUT_OF_RESOURCES = 0xA700
    MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class _Refusal(Exception):  # noqa: N818
    def __init__(self, status: StoreStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Sent:
    """An object as it came, and who sent it; its texts are not checked yet."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: UID
    dataset: BytesIO
    association: str
    sender: str


class Intake:
    """Puts objects in the spool and keeps count of the series that are open."""

    def __init__(
        self, settings: ServeSettings, spool: Spool, ledger: Ledger, metrics: Metrics
    ) -> None:
        """Take up what an earlier service left open."""
        self._settings = settings
        self._spool = spool
        self._ledger = ledger
        self._metrics = metrics
        self._arrivals = Arrivals(settings.close)
        self._unkept: set[str] = set()  # series whose standing the ledger did not take yet
        self._lock = threading.Lock()
        self.restore()

    def restore(self) -> None:
        """Count what lies in the spool; a series that nobody noted was interrupted."""
        kept = self._ledger.open_series()
        for key, names in self._spool.open_keys().items():
            standing = kept.get(key, Standing(key, "", None, interrupted=True))
            self._arrivals.restore(standing, names, time.monotonic())

    def take(self, sent: Sent) -> StoreStatus:
        """Return the answer to an object; SUCCESS means that the disk has it."""
        status, outcome = self._answer(sent)
        self._metrics.objects.labels(outcome).inc()
        return status

    def end(self, association: str, *, released: bool) -> None:
        """Note that an association ended."""
        with self._lock:
            self._keep_standing(self._arrivals.end(association, released=released))

    def ready(self) -> list[tuple[str, Closing]]:
        """Return the series that can be closed now."""
        with self._lock:
            return self._arrivals.ready(time.monotonic())

    def close(self, key: str, reason: str = "") -> int:
        """Turn an open series into a job in the state "closing"; return its number."""
        with self._lock:
            standing = self._arrivals.standing(key)
            job = self._ledger.begin_job(key, standing.sender if standing else "", reason=reason)
            try:
                self._spool.close(key, job.id)
            except OSError:
                self._ledger.move(job.id, [State.CLOSING], state=State.SUPERSEDED)
                raise
            self._arrivals.forget(key)
        return job.id

    def __len__(self) -> int:
        """Return how many series are open."""
        return len(self._arrivals)

    def _answer(self, sent: Sent) -> tuple[StoreStatus, str]:
        if is_uid(sent.sop_class_uid) and not is_image_class(sent.sop_class_uid):
            return StoreStatus.SUCCESS, "ignored"
        try:
            arrival = _look(sent)
        except _Refusal as refusal:
            logger.warning("object refused: %s", refusal)
            return refusal.status, "refused"
        if arrival.is_own_result:
            return StoreStatus.SUCCESS, "ignored"
        status, outcome = self._store(sent, arrival)
        if status is not StoreStatus.SUCCESS:
            self._note_refusal(arrival)
        return status, outcome

    def _overload(self) -> str:
        work = self._settings.work
        if self._spool.free_mib < work.least_free_mib:
            return f"less than {work.least_free_mib} MiB free"
        if self._ledger.queued() >= work.most_queued:
            return f"{work.most_queued} jobs are waiting"
        return ""

    def _store(self, sent: Sent, arrival: Arrival) -> tuple[StoreStatus, str]:
        body = sent.dataset.getbuffer()
        name = object_name(
            arrival.sop_instance_uid, (str(sent.transfer_syntax).encode("ascii"), body)
        )
        try:
            if why := self._overload():
                logger.warning("object refused: %s", why)
                return StoreStatus.OUT_OF_RESOURCES, "full"
            self._write(name, (_head(sent), body), arrival, sent)
        except (OSError, sqlite3.Error) as error:
            logger.warning("object not stored (%s)", type(error).__name__)
            # SQLite says of a full disk only that it cannot go on.
            if isinstance(error, sqlite3.Error) or error.errno in _FULL:
                return StoreStatus.OUT_OF_RESOURCES, "full"
            return StoreStatus.PROCESSING_FAILURE, "failed"
        return StoreStatus.SUCCESS, "stored"

    def _write(self, name: str, parts: Sequence[Buffer], arrival: Arrival, sent: Sent) -> None:
        key = self._key(arrival)
        # A study's count would include reports, which are not stored.
        expected = None if self._is_by_study else arrival.instances_of_series
        partial = self._spool.write_partial(parts)
        # From the rename to the count nobody may close the folder.
        with self._lock:
            folder = self._spool.admit(partial, key, name)
            changed = self._arrivals.note(
                key, name, sent.association, time.monotonic(), expected=expected
            )
            self._arrivals.name_sender(key, sent.sender)
            try:
                self._keep_standing(changed)
            except sqlite3.Error:
                os.close(folder)
                raise
        sync(folder)

    def _note_refusal(self, arrival: Arrival) -> None:
        name = hashed(arrival.sop_instance_uid)
        with self._lock, suppress(sqlite3.Error):
            self._keep_standing(self._arrivals.refuse(self._key(arrival), name, time.monotonic()))

    @property
    def _is_by_study(self) -> bool:
        return self._settings.close.wait_for == "study"

    def _key(self, arrival: Arrival) -> str:
        by_study = self._is_by_study
        return hashed(arrival.study_instance_uid if by_study else arrival.series_instance_uid)

    def _keep_standing(self, keys: Iterable[str]) -> None:
        self._unkept |= set(keys)
        for key in sorted(self._unkept):
            if standing := self._arrivals.standing(key):
                self._ledger.note_open(standing)
            self._unkept.discard(key)


def _head(sent: Sent) -> bytes:
    """Return the preamble and the file meta information that a file has before its data set."""
    meta = create_file_meta(
        sop_class_uid=UID(sent.sop_class_uid),
        sop_instance_uid=UID(sent.sop_instance_uid),
        transfer_syntax=sent.transfer_syntax,
    )
    return _PREAMBLE + encode_file_meta(meta)


def _look(sent: Sent) -> Arrival:
    sent.dataset.seek(0)
    try:
        arrival = peek(sent.dataset, sent.transfer_syntax)
    except PixelError as error:
        raise _Refusal(StoreStatus.CANNOT_UNDERSTAND, str(error)) from error
    if (arrival.sop_class_uid, arrival.sop_instance_uid) != (
        sent.sop_class_uid,
        sent.sop_instance_uid,
    ):
        raise _Refusal(StoreStatus.MISMATCH, "its data set is not what the request names")
    return arrival
