from pathlib import Path

import pytest
import yaml

from lesionmap.app.service.service import build_of
from lesionmap.app.settings import Folders, LimitSettings, Settings
from lesionmap.models.core.errors import SettingsError
from lesionmap.models.core.intensity import FixedWindow, PercentileWindow


@pytest.fixture
def document(repository):
    return yaml.safe_load((repository / "app.yaml").read_text())


def load(document, folder):
    path = folder / "app.yaml"
    path.write_text(yaml.safe_dump(document))
    return Settings.load(path)


def test_the_shipped_file_is_valid_and_has_what_the_packager_asks_for(repository, document):
    rules = {rule.name: rule for rule in Settings.load(repository / "app.yaml").build_rules()}
    assert rules["ct"].intensity == FixedWindow(-160, 240)
    assert rules["brain-mr"].intensity == PercentileWindow(0.5, 99.5)
    assert {"title", "version"} <= set(document["application"])
    assert document["resources"]


def test_the_version_is_the_same_everywhere(document):
    from lesionmap.app.settings import SOFTWARE_VERSION

    assert document["application"]["version"] == SOFTWARE_VERSION


FAULTS = {
    "unknown key": (lambda d: d.update(treshold=1), "treshold"),
    "unknown limit": (lambda d: d["limits"].update(hours=1), "limits.hours"),
    "no rules": (lambda d: d.update(rules=[]), "rules"),
    "not a keyword": (lambda d: d["rules"][0]["when"].update(Modlity="MR"), "Modlity"),
    "bad pattern": (
        lambda d: d["rules"][0]["when"].update(SeriesDescription={"matches": "("}),
        "regular",
    ),
    "two windows": (lambda d: d["rules"][0]["show"].update(window=[0, 1]), "one of"),
    "reversed window": (lambda d: d["rules"][2]["show"].update(window=[5, 1]), "one of"),
    "threshold over 1": (lambda d: d["rules"][0].update(score_threshold=2), "score_threshold"),
    "name that is a path": (lambda d: d["rules"][0].update(name="../x"), "name"),
    "a code with another meaning": (
        lambda d: d["rules"][0]["site"].update(meaning="Breast"),
        "rules.0.site.*means Brain",
    ),
    "a slip in a code": (
        lambda d: d["rules"][0]["site"].update(value="12738060", trusted=True),
        "rules.0.site.*check digit",
    ),
    "a code of no dictionary": (
        lambda d: d["rules"][0]["segment_type"].update(value="X1", scheme="99LOCAL"),
        "rules.0.segment_type.*trusted",
    ),
    "a side without a site": (
        lambda d: d["rules"][1].update(laterality="left"),
        "rules.1.*give the site",
    ),
    "a side that is none": (lambda d: d["rules"][0].update(laterality="up"), "laterality"),
    "an element without a value": (
        lambda d: d["rules"][0]["when"].update(ReferencedStudySequence="A"),
        "ReferencedStudySequence",
    ),
    "unknown kind of model": (
        lambda d: d["rules"][0].update(models={"detektor": "x"}),
        "models.detektor",
    ),
    "a value that YAML reads as false": (
        lambda d: d["rules"][0]["when"].update(BurnedInAnnotation=False),
        "BurnedInAnnotation.*quote it",
    ),
    "a number for a text": (
        lambda d: d["rules"][0]["when"].update(SeriesDescription=["a", 1]),
        "SeriesDescription.*quote it",
    ),
    "false for a number": (lambda d: d["rules"][0]["when"].update(Rows=True), "Rows.*quote it"),
    "meaning too long": (
        lambda d: d["rules"][0]["segment_type"].update(meaning="x" * 65),
        "meaning",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_is_refused_and_the_key_is_named(fault, document, tmp_path):
    change, named = FAULTS[fault]
    change(document["lesionmap"])
    with pytest.raises(SettingsError, match=named):
        load(document, tmp_path)


@pytest.mark.parametrize("text", ["", "- 1", "lesionmap: 5", "{", "application: {}"])
def test_a_file_that_is_no_settings_file_is_refused(text, tmp_path):
    path = tmp_path / "app.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError):
        Settings.load(path)


def test_local_codes_and_other_languages_pass_when_trusted(document, tmp_path):
    rule = document["lesionmap"]["rules"][0]
    rule["site"] |= {"meaning": "Gehirn", "trusted": True}
    rule["category"] = {"value": "X1", "scheme": "99LOCAL", "meaning": "Local", "trusted": True}
    (built, *_) = load(document, tmp_path).build_rules()
    assert built.site.meaning == "Gehirn"
    assert built.category.scheme == "99LOCAL"


def test_labels_of_a_detector_get_codes_of_their_own(document, tmp_path):
    nodule = {"value": "27925004", "scheme": "SCT", "meaning": "Nodule"}
    rule = document["lesionmap"]["rules"][0]
    rule["findings"] = {"class_1": {"label": "Nodule", "segment_type": nodule}}
    (built, *_) = load(document, tmp_path).build_rules()
    assert [built.name_finding(name) for name in ("class_1", "class_2")] == ["Nodule", "Lesion"]
    assert built.for_label("Nodule").segment_type.value == "27925004"
    assert built.for_label("Nodule").site == built.site
    assert built.for_label("Lesion") == built
    rule["findings"]["class_2"] = {"label": "Nodule", "segment_type": nodule}
    with pytest.raises(SettingsError, match="label of its own"):
        load(document, tmp_path)


def test_numbers_test_elements_that_hold_numbers(document, tmp_path):
    document["lesionmap"]["rules"][0]["when"] |= {"Rows": [256, 512], "EchoNumbers": 1}
    (built, *_) = load(document, tmp_path).build_rules()
    values = {test.keyword: test.values for test in built.tests}
    assert (values["Rows"], values["EchoNumbers"]) == (("256", "512"), ("1",))


def test_a_rule_takes_the_common_models_it_does_not_name(document, tmp_path):
    document["lesionmap"]["rules"][0]["models"] = {"detector": "brain-detector"}
    first, second, *_ = load(document, tmp_path).build_rules()
    assert first.models.detector == "brain-detector"
    assert first.models.decoder == second.models.decoder
    assert second.models.detector == document["lesionmap"]["models"]["detector"]


def test_only_what_changes_results_changes_the_digest(document, tmp_path):
    before = load(document, tmp_path).digest
    part = document["lesionmap"]
    part["threads"] = 7
    part["limits"]["time_s"] = 5
    part["pull"] = {"timeout_s": 7}
    part["serve"] = {"stop_s": 7}
    assert load(document, tmp_path).digest == before
    part["rules"][0]["show"] = {"percentiles": [1, 99]}
    assert load(document, tmp_path).digest != before


def test_a_series_runs_again_only_where_settings_can_change_what_becomes_of_it(document, tmp_path):
    before = build_of(load(document, tmp_path))
    part = document["lesionmap"]
    part |= {"threads": 7, "pull": {"timeout_s": 7}, "serve": {"stop_s": 7}}
    assert build_of(load(document, tmp_path)) == before
    # A series that was too large may not be.
    part["limits"]["series_mib"] = 5
    assert build_of(load(document, tmp_path)) != before


def test_folders_come_from_the_command_line_or_the_environment(monkeypatch):
    monkeypatch.setenv("HOLOSCAN_INPUT_PATH", "/in")
    monkeypatch.setenv("HOLOSCAN_OUTPUT_PATH", "/out")
    monkeypatch.setenv("HOLOSCAN_MODEL_PATH", "/models")
    assert Folders.resolve(None, None, None) == Folders(Path("/in"), Path("/out"), Path("/models"))
    assert Folders.resolve(Path("a"), None, None).source == Path("a")
    monkeypatch.delenv("HOLOSCAN_INPUT_PATH")
    with pytest.raises(SettingsError, match="-i IN"):
        Folders.resolve(None, None, None)


def test_a_series_is_refused_before_the_declared_memory_runs_out(repository):
    """Three times its pixels, and what the app takes by itself, as docs/deploy.md says."""
    asked = yaml.safe_load((repository / "app.yaml").read_text())["resources"]["memory"]
    memory_mib = int(asked.removesuffix("Gi")) * 1024
    for limits in (Settings.load(repository / "app.yaml").limits, LimitSettings()):
        assert 3 * limits.series_mib + 400 <= memory_mib
