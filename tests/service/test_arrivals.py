"""When a series is complete, minute by minute, without a network or a clock."""

import pytest

from lesionmap.app.serve_settings import CloseSettings
from lesionmap.app.service.arrivals import Arrivals, Closing, Standing

SETTINGS = CloseSettings(quiet_s=30, interrupted_s=600)
COMPLETE, INTERRUPTED = Closing.COMPLETE, Closing.INTERRUPTED


@pytest.fixture
def arrivals():
    return Arrivals(SETTINGS)


def name(number):
    return f"{number:04d}-content.dcm"


def test_quiet_counts_from_the_last_object(arrivals):
    arrivals.note("a", name(1), "one", 0)
    arrivals.note("a", name(2), "one", 20)
    arrivals.end("one", released=True)
    assert arrivals.ready(49) == []
    assert arrivals.ready(50) == [("a", COMPLETE)]


def test_a_live_association_keeps_its_latest_series_open(arrivals):
    arrivals.note("a", name(1), "one", 0)
    assert arrivals.ready(10_000) == []
    arrivals.note("b", name(1), "one", 10_000)
    assert arrivals.ready(10_001) == [("a", COMPLETE)]


def test_an_association_that_comes_back_to_a_series_keeps_all_open(arrivals):
    for moment, key in enumerate("abcb"):
        changed = arrivals.note(key, name(moment), "one", moment)
    assert changed == ["b", "a"]
    assert arrivals.ready(10_000) == []
    arrivals.end("one", released=True)
    assert arrivals.ready(10_000) == [(key, COMPLETE) for key in "abc"]


def test_a_broken_association_is_forgiven_by_one_that_ends_well(arrivals):
    arrivals.note("a", name(1), "one", 0)
    arrivals.end("one", released=False)
    assert arrivals.ready(599) == []
    assert arrivals.ready(600) == [("a", INTERRUPTED)]
    arrivals.note("a", name(1), "two", 601)
    arrivals.end("two", released=True)
    assert arrivals.ready(631) == [("a", COMPLETE)]


def test_one_of_two_senders_breaking_off_last_leaves_doubt(arrivals):
    arrivals.note("a", name(1), "one", 0)
    arrivals.note("a", name(2), "two", 0)
    arrivals.end("one", released=True)
    arrivals.end("two", released=False)
    assert arrivals.ready(30) == []
    assert arrivals.ready(600) == [("a", INTERRUPTED)]


def test_only_an_association_that_began_after_the_loss_forgives_it(arrivals):
    arrivals.note("a", name(1), "one", 0)
    arrivals.note("a", name(2), "two", 0)
    arrivals.end("one", released=False)
    arrivals.end("two", released=True)
    assert arrivals.ready(599) == []
    assert arrivals.ready(600) == [("a", INTERRUPTED)]
    arrivals.note("a", name(1), "two", 601)  # a new association, whatever it is called
    arrivals.end("two", released=True)
    assert arrivals.ready(631) == [("a", COMPLETE)]


def test_a_retry_that_goes_on_to_another_series_forgives_too(arrivals):
    arrivals.note("a", name(1), "one", 0)
    arrivals.end("one", released=False)
    arrivals.note("a", name(1), "two", 1)
    arrivals.note("b", name(1), "two", 2)
    assert arrivals.end("two", released=True) == ["a", "b"]
    assert arrivals.ready(32) == [("a", COMPLETE), ("b", COMPLETE)]


@pytest.mark.parametrize("moves_on", [False, True])
def test_a_series_with_a_refused_object_is_not_complete(arrivals, moves_on):
    arrivals.note("a", name(1), "one", 0, expected=1)
    arrivals.refuse("a", name(2), 10)
    if moves_on:
        arrivals.note("b", name(1), "one", 11)
    arrivals.end("one", released=True)
    assert arrivals.standing("a").interrupted
    assert ("a", COMPLETE) not in arrivals.ready(609)
    assert ("a", INTERRUPTED) in arrivals.ready(610)


def test_an_object_refused_before_the_first_one_is_remembered(arrivals):
    assert arrivals.refuse("a", name(1), 0) == []
    assert len(arrivals) == 0
    arrivals.note("a", name(2), "two", 1)
    arrivals.end("two", released=True)
    assert arrivals.ready(600) == []
    assert arrivals.ready(601) == [("a", INTERRUPTED)]


def test_a_refused_object_that_comes_after_all_ends_the_doubt(arrivals):
    arrivals.note("a", name(1), "one", 0)
    assert arrivals.refuse("a", name(2), 0) == ["a"]
    assert arrivals.refuse("a", name(3), 0) == []
    arrivals.note("a", name(2), "one", 1)
    arrivals.end("one", released=True)
    assert arrivals.ready(100) == []
    arrivals.note("a", name(3), "two", 101)
    arrivals.end("two", released=True)
    assert arrivals.ready(131) == [("a", COMPLETE)]


def test_refused_objects_of_series_that_never_open_are_forgotten_in_time(arrivals):
    arrivals.refuse("a", name(1), 0)
    arrivals.ready(600)
    arrivals.note("a", name(2), "two", 601)
    arrivals.end("two", released=True)
    assert arrivals.ready(631) == [("a", COMPLETE)]


def test_the_announced_count_closes_at_once_or_waits(arrivals):
    arrivals.note("a", name(1), "one", 0, expected=2)
    arrivals.end("one", released=True)
    assert arrivals.ready(599) == []
    arrivals.note("a", name(1), "two", 600)
    arrivals.note("a", name(2), "two", 600)
    assert arrivals.ready(600) == []
    arrivals.end("two", released=False)
    assert arrivals.ready(600) == [("a", COMPLETE)]


def test_what_must_survive_a_restart_is_told_when_it_changes(arrivals):
    assert arrivals.note("a", name(1), "one", 0) == ["a"]
    assert arrivals.standing("a") == Standing("a", "", None, interrupted=True)
    assert arrivals.note("a", name(2), "one", 1) == []
    assert sorted(arrivals.note("b", name(1), "one", 2)) == ["a", "b"]
    assert arrivals.standing("a") == Standing("a", "", None, interrupted=False)
    assert arrivals.end("one", released=True) == ["b"]
    arrivals.forget("a")
    assert arrivals.standing("a") is None
    assert len(arrivals) == 1


@pytest.mark.parametrize(
    ("interrupted", "after", "closing"), [(False, 30, COMPLETE), (True, 600, INTERRUPTED)]
)
def test_a_restored_series_waits_its_whole_time(arrivals, interrupted, after, closing):
    arrivals.restore(Standing("a", "S", None, interrupted), [name(1)], 100)
    assert arrivals.ready(99 + after) == []
    assert arrivals.ready(100 + after) == [("a", closing)]
