from lesionmap.app import batch
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
