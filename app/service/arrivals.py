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
    one broke off and none that began later has ended well. ``rivals`` began before that.
    """

    last: float
    sender: str = ""
    expected: int | None = None
    lost: bool = False
    live: set[str] = field(default_factory=set)
    rivals: set[str] = field(default_factory=set)
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
        # By series, open or not: instances that were not taken, and when.
        self._refused: dict[str, dict[str, float]] = {}

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
        if refused := self._refused.get(key):
            refused.pop(instance_of(name), None)
            if not refused:
                del self._refused[key]
        return changed + self._move_on(association, key)

    def refuse(self, key: str, name: str, now: float) -> list[str]:
        """Note that an object was not taken: its series is in doubt until it comes after all.

        Returns:
            The series whose standing changed.
        """
        refused = self._refused.setdefault(key, {})
        changed = [key] if key in self._open and not refused else []
        refused[instance_of(name)] = now
        if found := self._open.get(key):
            found.last = now
        return changed

    def name_sender(self, key: str, sender: str) -> None:
        """Remember who sends a series."""
        if key in self._open:
            self._open[key].sender = sender

    def end(self, association: str, *, released: bool) -> list[str]:
        """Note that an association ended; return the series whose standing changed.

        One that ends well forgives an earlier one that broke off: it was the retry. One that
        ran beside it does not: it sent its own part.
        """
        sent = self._feeds.pop(association, _Feed()).sent
        changed = []
        for key, found in self._open.items():
            if association in found.live or (released and found.lost and key in sent):
                self._settle(key, association, released=released)
                changed.append(key)
            found.rivals.discard(association)  # its name may be given again
        return changed

    def standing(self, key: str) -> Standing | None:
        """Return what is to be kept on disk about an open series."""
        found = self._open.get(key)
        if found is None:
            return None
        interrupted = found.lost or bool(found.live) or bool(self._refused.get(key))
        return Standing(key, found.sender, found.expected, interrupted)

    def ready(self, now: float) -> list[tuple[str, Closing]]:
        """Return the series that can be closed now, and why."""
        self._forget_refused(now)
        verdicts = ((key, self._verdict(key, now)) for key in self._open)
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

    def _settle(self, key: str, association: str, *, released: bool) -> None:
        found = self._open[key]
        found.live.discard(association)
        if not released:
            found.lost = True
            found.rivals |= {name for name, feed in self._feeds.items() if key in feed.sent}
        elif association not in found.rivals:
            found.lost = False

    def _forget_refused(self, now: float) -> None:
        """Forget what was refused of series that did not open in all the time there was."""
        for key in self._refused.keys() - self._open.keys():
            latest = max(self._refused[key].values(), default=0)
            if now - latest >= self._settings.interrupted_s:
                del self._refused[key]

    def _verdict(self, key: str, now: float) -> Closing | None:
        found, refused = self._open[key], bool(self._refused.get(key))
        if found.live:
            return None
        if found.is_counted and not refused:
            return Closing.COMPLETE
        quiet = now - found.last
        if found.lost or found.is_short or refused:
            return Closing.INTERRUPTED if quiet >= self._settings.interrupted_s else None
        return Closing.COMPLETE if quiet >= self._settings.quiet_s else None
