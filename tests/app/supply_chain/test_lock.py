"""The lock has all that is installed to run, by hash, and names no place to fetch it from."""

import re

import pytest
from packaging.requirements import Requirement

from lesionmap.app.supply_chain.closure import ROOT, normalised, runtime_closure


@pytest.fixture
def lock(repository):
    return (repository / "requirements" / "lock.txt").read_text()


@pytest.fixture
def locked(lock):
    """What of the lock is for this Python and this system."""
    lines = re.findall(r"^([a-z].*) \\$", lock, re.MULTILINE)
    wanted = [item for item in map(Requirement, lines) if not item.marker or item.marker.evaluate()]
    return {item.name: str(item.specifier).removeprefix("==") for item in wanted}


def test_every_requirement_is_locked_at_its_version(repository, locked):
    lines = (repository / "requirements.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert pins
    assert {normalised(name): version for name, version in pins}.items() <= locked.items()


def test_what_is_installed_to_run_is_what_is_locked(locked):
    closure = runtime_closure()
    installed = {name: item.version for name, item in closure.items() if name != ROOT}
    assert installed == locked


def test_every_locked_package_has_hashes(lock, locked):
    blocks = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert len(blocks) >= len(locked) > 50
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)


def test_the_lock_names_no_host(lock):
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted", lock)
