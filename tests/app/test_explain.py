import json
from importlib.resources import files

import yaml
from typer.testing import CliRunner

from lesionmap.app import batch
from lesionmap.app.cli import app
from lesionmap.app.settings import Folders
from tests.dicom_series import ramp, write_series
from tests.fakes import fake_models


def test_the_dry_run_says_what_the_run_does(tmp_path, monkeypatch):
    source = tmp_path / "in"
    write_series(source / "a", ramp(), key="a")
    write_series(source / "b", ramp(), key="b")[2].unlink()
    write_series(source / "c", ramp(1), modality="DX", key="c")
    (source / "letter.txt").write_text("no DICOM")
    outcomes, left_aside = batch.explain_batch(source)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())
    record = batch.run_batch(Folders(source, tmp_path / "out", tmp_path))
    told = [(item.verdict, item.code, item.message) for item in outcomes if item.code]
    done = [
        (item.verdict, item.reason.code, item.reason.message)
        for item in record.series
        if item.reason
    ]
    assert told == done
    assert [item.verdict for item in outcomes] == [item.verdict for item in record.series]
    assert left_aside == record.left_aside == {"not_dicom": 1}
    told = [(item.rule and item.rule.name, item.message) for item in outcomes]
    assert ("ct", "5 × 24 × 32, 2.00 × 0.80 × 0.60 mm") in told
    assert [name for name, _ in told] == [item.rule for item in record.series]


def test_a_rule_may_test_any_element(tmp_path):
    def name(station):
        return lambda _, dataset: setattr(dataset, "StationName", station)

    write_series(tmp_path / "in" / "a", ramp(), edit=name("SCANNER1"), key="a")
    write_series(tmp_path / "in" / "b", ramp(), edit=name("SCANNER2"), key="b")
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    for rule in document["lesionmap"]["rules"]:
        rule["when"]["StationName"] = {"matches": "scanner2"}
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(document))
    outcomes, _ = batch.explain_batch(tmp_path / "in", tmp_path / "app.yaml")
    assert sorted(item.verdict for item in outcomes) == ["processed", "skipped"]


def test_json_holds_what_the_table_shows(tmp_path):
    write_series(tmp_path / "a", ramp(), key="a")
    write_series(tmp_path / "b", ramp(1), modality="DX", key="b")
    printed = CliRunner().invoke(app, ["explain", str(tmp_path)])
    told = json.loads(CliRunner().invoke(app, ["explain", str(tmp_path), "--json"]).output)
    by_rule = {item["rule"]: item for item in told["series"]}
    assert (by_rule["ct"]["verdict"], by_rule["ct"]["code"]) == ("processed", 0)
    assert set(by_rule["ct"]["models"]) == {"detector", "encoder", "decoder"}
    assert (by_rule[None]["verdict"], by_rule[None]["code"]) == ("skipped", 10)
    for text in ("rule ct:", by_rule["ct"]["models"]["decoder"], "skipped"):
        assert text in printed.output
