"""Decide when a series, or a study, is complete. Pure bookkeeping: no clock, no disk."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from lesionmap.app.serve_settings import CloseSettings
from lesionmap.app.service.spool import instance_of


class Closing(Enum):
    """Why a series is closed."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"


@dataclass
class _Open:
    """A series that is still open.

    ``live`` are the associations that sent objects of it and go on; ``lost`` says that
    one broke off and none has ended well since.
    """

    last: float
    sender: str = ""
    expected: int | None = None
    lost: bool = False
    live: set[str] = field(default_factory=set)
    instances: set[str] = field(default_factory=set)

    @property
    def is_short(self) -> bool:
        return self.expected is not None and len(self.instances) < self.expected

    @property
    def is_counted(self) -> bool:
        return self.expected is not None and not self.is_short


@dataclass
class _Feed:
    """The series that a live association sent, and whether it came back to one of them."""

    latest: str = ""
    sent: set[str] = field(default_factory=set)
    mixes: bool = False


@dataclass(frozen=True)
class Standing:
    """What must survive a restart about an open series."""

    key: str
    sender: str
    expected: int | None
    interrupted: bool


class Arrivals:
    """The open series, and the associations that feed them."""

    def __init__(self, settings: CloseSettings) -> None:
        """Close by ``settings``; times are of any clock, as long as it is one."""
        self._settings = settings
        self._open: dict[str, _Open] = {}
        self._feeds: dict[str, _Feed] = {}

    def restore(self, standing: Standing, names: Iterable[str], now: float) -> None:
        """Take up a series that an earlier service left open."""
        self._open[standing.key] = _Open(
            now,
            standing.sender,
            standing.expected,
            lost=standing.interrupted,
            instances={instance_of(name) for name in names},
        )

    def note(
        self, key: str, name: str, association: str, now: float, *, expected: int | None = None
    ) -> list[str]:
        """Note an object; return the series whose standing changed."""
        found = self._open.setdefault(key, _Open(now))
        changed = [] if association in found.live and expected == found.expected else [key]
        found.last = now
        found.expected = expected or found.expected
        found.instances.add(instance_of(name))
        found.live.add(association)
        return changed + self._move_on(association, key)

    def name_sender(self, key: str, sender: str) -> None:
        """Remember who sends a series."""
        if key in self._open:
            self._open[key].sender = sender

    def end(self, association: str, *, released: bool) -> list[str]:
        """Note that an association ended; return the series whose standing changed.

        One that ends well forgives an earlier one that broke off: it was the retry.
        """
        self._feeds.pop(association, None)
        changed = [key for key, found in self._open.items() if association in found.live]
        for key in changed:
            self._open[key].live.discard(association)
            self._open[key].lost = not released
        return changed

    def standing(self, key: str) -> Standing | None:
        """Return what is to be kept on disk about an open series."""
        found = self._open.get(key)
        if found is None:
            return None
        interrupted = found.lost or bool(found.live)
        return Standing(key, found.sender, found.expected, interrupted)

    def ready(self, now: float) -> list[tuple[str, Closing]]:
        """Return the series that can be closed now, and why."""
        verdicts = ((key, self._verdict(found, now)) for key, found in self._open.items())
        return [(key, verdict) for key, verdict in verdicts if verdict]

    def forget(self, key: str) -> None:
        """Drop a series that was closed; later objects open it again."""
        self._open.pop(key, None)

    def __len__(self) -> int:
        """Return how many series are open."""
        return len(self._open)

    def _move_on(self, association: str, key: str) -> list[str]:
        """Let go of what an association sent before, unless it sends series in no order.

        One that goes on to another series has nothing more of the last one. One that comes
        back to a series mixes them: all that it sent stay open until it ends.
        """
        feed = self._feeds.setdefault(association, _Feed())
        if feed.latest == key:
            return []
        feed.mixes |= key in feed.sent
        feed.sent.add(key)
        feed.latest = key
        others = sorted(feed.sent - {key})
        return [other for other in others if self._hold(other, association, on=feed.mixes)]

    def _hold(self, key: str, association: str, *, on: bool) -> bool:
        found = self._open.get(key)
        if found is None or (association in found.live) is on:
            return False
        (found.live.add if on else found.live.discard)(association)
        return True

    def _verdict(self, found: _Open, now: float) -> Closing | None:
        if found.live:
            return None
        if found.is_counted:
            return Closing.COMPLETE
        quiet = now - found.last
        if found.lost or found.is_short:
            return Closing.INTERRUPTED if quiet >= self._settings.interrupted_s else None
        return Closing.COMPLETE if quiet >= self._settings.quiet_s else None
