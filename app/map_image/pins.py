"""The locked requirements of an image: those of the run time, less and other than."""

import re
from collections.abc import Collection, Mapping


def drop(lock: str, names: Collection[str]) -> str:
    """Return the lock without the packages called ``names``."""
    return "".join(entry for entry in _entries(lock) if _name(entry) not in names)


def replace(lock: str, replaced: Mapping[str, str]) -> str:
    """Return the lock with other builds of the same version, which have no hashes here.

    pip wants all hashes or none: where something is replaced, the others go too.
    """
    if not replaced:
        return lock
    pins = [entry.splitlines()[0].rstrip("\\ ") for entry in _entries(lock)]
    renamed = (pin.replace(_name(pin), replaced.get(_name(pin), _name(pin)), 1) for pin in pins)
    return "\n".join(renamed) + "\n"


def _entries(lock: str) -> list[str]:
    return [entry for entry in re.split(r"(?m)^(?=\S)", lock) if "==" in entry]


def _name(entry: str) -> str:
    return entry.split("==", maxsplit=1)[0]
