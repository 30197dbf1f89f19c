"""The report says the same as the SEG, as readers that are not ours see it."""

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from lesionmap.models.core.measure import measure, measure_brightness
from lesionmap.operators.dicom.report import build_report
from tests.seg_cases import CASES, report_on, save, subject_of, write
from tests.seg_readers import dciodvfy_errors


def save_report(folder, case="axial", **options):
    volume, series = write(folder / "in", **{**CASES[case], **options})
    report = report_on(volume)
    seg = pydicom.dcmread(save(series, report, folder / "seg.dcm"))
    subject = subject_of(series, report, volume).with_seg(seg)
    path = folder / "sr.dcm"
    build_report(subject).save_as(path, enforce_file_format=True)
    return path, volume, report


def read_with_dcmqi(path):
    target = path.with_suffix(".json")
    tool = Path(sys.executable).parent / "tid1500reader"
    subprocess.run(
        [tool, "--inputDICOM", path, "--outputMetadata", target], check=True, capture_output=True
    )
    return json.loads(target.read_text())["Measurements"]


@pytest.mark.parametrize("case", CASES)
def test_dciodvfy_finds_no_error(case, tmp_path):
    assert dciodvfy_errors(save_report(tmp_path, case)[0]) == []


def test_dcmqi_reads_the_numbers_of_each_lesion(tmp_path):
    path, volume, report = save_report(tmp_path)
    groups = [group for group in read_with_dcmqi(path) if group.get("ReferencedSegment")]
    assert [group["TrackingUniqueIdentifier"] for group in groups] == [
        lesion.tracking_uid for lesion in report.lesions
    ]
    for group, lesion in zip(groups, report.lesions, strict=True):
        found = {
            (
                item["quantity"]["CodeMeaning"],
                item.get("derivationModifier", {}).get("CodeMeaning"),
            ): float(item["value"])
            for item in group["measurementItems"]
        }
        size, brightness = measure(lesion.mask), measure_brightness(volume, lesion.mask)
        assert found["Volume", None] == pytest.approx(size.volume_mm3 / 1000, abs=1e-3)
        assert found["Long Axis", None] == pytest.approx(size.long_axis_mm, abs=1e-3)
        assert found["Short Axis", None] == pytest.approx(size.short_axis_mm, abs=1e-3)
        assert found["Attenuation Coefficient", "Mean"] == pytest.approx(brightness.mean, abs=1e-3)
        assert found["Certainty of Finding", None] == pytest.approx(100 * lesion.score, abs=1e-3)


def test_hounsfield_units_are_reported_for_ct_alone(tmp_path):
    path, *_ = save_report(tmp_path, "mr")
    assert "Attenuation" not in str(pydicom.dcmread(path))


def test_the_long_axis_is_drawn_on_its_slice(tmp_path):
    path, volume, report = save_report(tmp_path)
    lines = [
        item
        for item in walk(pydicom.dcmread(path))
        if item.get("ValueType") == "SCOORD" and item.GraphicType == "POLYLINE"
    ]
    assert len(lines) == len(report.lesions)
    for line, lesion in zip(lines, report.lesions, strict=True):
        diameter = measure(lesion.mask).diameter
        row, column = diameter.start
        assert list(line.GraphicData[:2]) == pytest.approx([column + 0.5, row + 0.5])
        referenced = line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert referenced == volume.sources[diameter.slice_index]


def walk(item):
    for child in item.get("ContentSequence", ()):
        yield child
        yield from walk(child)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first, *_ = save_report(tmp_path / "a")
    second, *_ = save_report(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
