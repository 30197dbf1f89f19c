"""Every probe is green on an image that behaves, and red on one that does not."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lesionmap.app.conformance.check import Verdict
from lesionmap.app.conformance.engine import Ended
from lesionmap.app.conformance.examine import conforms, examine_image
from lesionmap.app.conformance.package import Package
from lesionmap.app.conformance.probes import PROBES
from tests.map_cases import write_context

HELP = Ended(0, "usage: app [-h]\nstarted at 12:30:01 as process 4711\n", "")
BROKEN = Ended(1, "", "Traceback\nPermissionError: no\n")


@dataclass
class FakeEngine:
    """An engine whose only image does what ``faults`` do not change.

    ``faults`` maps an option or an argument to how a container that has it ends.
    """

    package: Package
    faults: dict[str, Ended] = field(default_factory=dict)
    exit_code: int | None = 124
    leaves_output: bool = True
    calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    def read(self, image):
        return self.package

    def run(self, image, options, arguments):
        self.calls.append((tuple(options), tuple(arguments)))
        for word in (*options, *arguments):
            if word in self.faults:
                return self.faults[word]
        mounts = dict(self._mount(word) for word in options if word.startswith("type=bind"))
        manifest = mounts.get("/etc/holoscan/app.json")
        if manifest:
            assert json.loads(json.loads(manifest.read_text())["command"])[0] == "timeout"
            return Ended(self.exit_code, "", "")
        if arguments[:1] == ("show",):
            content = self.package.read(f"/etc/holoscan/{arguments[1]}.json")
            return Ended(0, content.decode(), "")
        for target, source in mounts.items():
            if target.endswith("/config"):
                (source / "app.json").touch()
                (source / "pkg.json").touch()
            elif target.endswith("/output") and self.leaves_output:
                (source / "run.json").touch()
        return HELP if arguments == ("--help",) else Ended(0, "", "")

    @staticmethod
    def _mount(word):
        parts = dict(item.split("=") for item in word.split(",") if "=" in item)
        return parts["target"], Path(parts["source"])


@pytest.fixture
def package(tmp_path):
    from lesionmap.app.conformance.dockerfile import read_context

    return read_context(write_context(tmp_path / "context"))


def probe(engine, study):
    return {item.check: item for item in examine_image(engine, "small:1", study)}


def test_an_image_that_behaves_passes_everything(package, tmp_path):
    engine = FakeEngine(package)
    findings = list(probe(engine, tmp_path).values())
    assert {item.verdict for item in findings} == {Verdict.OK}
    assert conforms(findings)


FAULTS = [
    ("starts", {"faults": {"--help": BROKEN}}),
    ("starts", {"faults": {"--help": Ended(0, "", "Traceback")}}),
    ("starts", {"faults": {"--help": Ended(None, "", "")}}),
    ("passes exit codes", {"exit_code": 0}),
    ("passes exit codes", {"exit_code": None}),
    ("runs as root", {"faults": {"0:0": BROKEN}}),
    ("runs as an unknown uid", {"faults": {"4321:4321": Ended(0, "", "Traceback")}}),
    ("runs without network", {"faults": {"none": BROKEN}}),
    ("runs without capabilities", {"faults": {"ALL": BROKEN}}),
    ("runs with a read-only root", {"faults": {"--read-only": Ended(None, "", "")}}),
    ("show", {"faults": {"show": HELP}}),
    ("extract", {"faults": {"extract": HELP}}),
    ("processes the input given", {"faults": {"--read-only": BROKEN}}),
    ("processes the input given", {"leaves_output": False}),
]


def test_every_probe_has_a_fault():
    assert {name for name, _ in FAULTS} == {check.name for check in PROBES}


@pytest.mark.parametrize(("name", "behaviour"), FAULTS)
def test_a_fault_turns_its_probe_red(package, tmp_path, name, behaviour):
    finding = probe(FakeEngine(package, **behaviour), tmp_path)[name]
    assert finding.verdict in (Verdict.FAILED, Verdict.WARNING)
    assert finding.remarks


def test_an_exit_code_that_stands_for_another_is_not_called_passed(package):
    """As `app || exit 1` does; or the entry point reads no app.json, and the code is its own."""
    finding = probe(FakeEngine(package, exit_code=1), None)["passes exit codes"]
    assert finding.verdict is Verdict.NOT_CHECKED
    assert "ended with 1" in finding.remarks[0]


def test_without_input_nothing_is_processed_and_that_is_said(package):
    finding = probe(FakeEngine(package), None)["processes the input given"]
    assert finding.verdict is Verdict.NOT_CHECKED
    assert "--input" in finding.remarks[0]


def test_what_does_not_start_is_not_probed_further(package):
    engine = FakeEngine(package, {"--help": BROKEN})
    assert probe(engine, None)["runs as root"].verdict is Verdict.NOT_CHECKED
    assert sum(arguments == ("--help",) for _, arguments in engine.calls) == 1


def test_the_whole_run_is_confined_in_every_way(package, tmp_path):
    engine = FakeEngine(package)
    probe(engine, tmp_path)
    options = " ".join(engine.calls[-1][0])
    for word in ("--network none", "--cap-drop ALL", "--read-only", f"{tmp_path},", ",readonly"):
        assert word in options
