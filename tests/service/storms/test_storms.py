"""Minutes of trouble: `make test-service` runs these, `make test` does not."""

import random

from tests.service.harness import FakeCommand, archive, small_series
from tests.service.killing import Killable, check, send_surely, storm


def test_the_service_is_killed_during_100_sends(tmp_path):
    storm(tmp_path, count=100, kills=30)


def test_a_thousand_objects_out_of_order(tmp_path):
    series = [small_series(tmp_path, f"s{number}", slices=50) for number in range(20)]
    mixed = [path for paths in series for path in paths]
    random.Random(3).shuffle(mixed)
    with archive() as pacs:
        parts = {"deliver": {"destinations": [pacs.settings()]}, "close": {"quiet_s": 5}}
        with Killable(tmp_path, **parts) as service:
            send_surely(service, mixed)
            check(tmp_path, pacs, series)
            assert service.stop() == 0
    assert FakeCommand(tmp_path / "runs.log").runs() == 20
