"""The report says the same as the SEG, as readers that are not ours see it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from lesionmap.models.core.finding import FindingReport
from lesionmap.models.core.flags import Flag
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.measure import measure_brightness
from lesionmap.operators.dicom.codes import Code
from lesionmap.operators.dicom.report import build_report
from tests.seg_cases import CASES, MODEL, RULE, report_on, save, subject_of, write
from tests.seg_readers import dciodvfy_errors

ALL_CASES = {**CASES, "ultrasound": {"modality": "US", "slices": 1}}
LEFT = Code("7771000", "SCT", "Left")
NOTHING = FindingReport((), (MODEL,))


def rescale(**elements):
    """Return an edit that rescales the stored values, as scanners do; None leaves one out."""

    def edit(_, header):
        for keyword, value in {"RescaleSlope": 1, "RescaleIntercept": 0, **elements}.items():
            if value is not None:
                setattr(header, keyword, value)

    return edit


def save_report(folder, case="axial", *, change=lambda report: report, rule=RULE, **options):
    options = {"edit": rescale(), **ALL_CASES[case], **options}
    volume, series = write(folder / "in", **options)
    report = change(report_on(volume))
    subject = replace(subject_of(series, report, volume), rule=rule)
    if report.lesions:
        subject = subject.with_seg(pydicom.dcmread(save(series, report, folder / "seg.dcm")))
    path = folder / "sr.dcm"
    build_report(subject).save_as(path, enforce_file_format=True)
    return path, volume, report


def flagged(report):
    first, second = report.lesions
    flags = (Flag.TOUCHES_EDGE, Flag.LOW_SCORE)
    return replace(report, lesions=(replace(first, flags=flags), second), flags=tuple(Flag))


def read_with_dcmqi(path):
    target = path.with_suffix(".json")
    tool = Path(sys.executable).parent / "tid1500reader"
    subprocess.run(
        [tool, "--inputDICOM", path, "--outputMetadata", target], check=True, capture_output=True
    )
    return json.loads(target.read_text())["Measurements"]


def segment_groups(path):
    return [group for group in read_with_dcmqi(path) if group.get("ReferencedSegment")]


def numbers(group):
    return {
        (
            item["quantity"]["CodeMeaning"],
            item.get("derivationModifier", {}).get("CodeMeaning"),
        ): (float(item["value"]), item["units"]["CodeValue"])
        for item in group["measurementItems"]
    }


def content(path):
    return hd.sr.srread(path).content


@pytest.mark.parametrize("case", ALL_CASES)
def test_dciodvfy_finds_no_fault(case, tmp_path):
    assert dciodvfy_errors(save_report(tmp_path, case)[0]) == []


def test_dciodvfy_finds_no_fault_in_flags_and_sides(tmp_path):
    path, *_ = save_report(tmp_path, change=flagged, rule=replace(RULE, laterality=LEFT))
    assert dciodvfy_errors(path) == []


def test_dcmqi_reads_the_numbers_of_each_lesion(tmp_path):
    path, volume, report = save_report(tmp_path)
    groups = segment_groups(path)
    assert [group["TrackingUniqueIdentifier"] for group in groups] == [
        lesion.tracking_uid for lesion in report.lesions
    ]
    for group, lesion in zip(groups, report.lesions, strict=True):
        size, brightness = lesion.size, measure_brightness(volume, lesion.mask)
        assert numbers(group) == {
            ("Volume", None): (pytest.approx(size.volume_mm3 / 1000, abs=1e-3), "mL"),
            ("Long Axis", None): (pytest.approx(size.long_axis_mm, abs=1e-3), "mm"),
            ("Short Axis", None): (pytest.approx(size.short_axis_mm, abs=1e-3), "mm"),
            ("Attenuation Coefficient", "Mean"): (
                pytest.approx(brightness.mean, abs=1e-3),
                "[hnsf'U]",
            ),
            ("Attenuation Coefficient", "Standard Deviation"): (
                pytest.approx(brightness.deviation, abs=1e-3),
                "[hnsf'U]",
            ),
            ("Certainty of Finding", "Maximum"): (pytest.approx(100 * lesion.score, abs=1e-3), "%"),
        }


def test_hounsfield_units_are_reported_for_ct_alone(tmp_path):
    path, *_ = save_report(tmp_path, "mr")
    assert "Attenuation" not in str(pydicom.dcmread(path))


def lut(kind):
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [1024, 0, 16], kind
    table.add_new("LUTData", "OW", np.arange(1024, dtype=np.uint16).tobytes())
    return {"RescaleSlope": None, "RescaleIntercept": None, "ModalityLUTSequence": [table]}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"RescaleType": "HU"}, True),
        ({"RescaleType": "MGML"}, False),
        ({"RescaleType": "Z_EFF"}, False),
        ({"RescaleIntercept": None}, False),
        (lut("HU"), True),
        (lut("OD"), False),
    ],
)
def test_a_ct_in_other_units_has_no_hounsfield_units(elements, expected, tmp_path):
    path, *_ = save_report(tmp_path, edit=rescale(**elements))
    assert ("Attenuation" in str(pydicom.dcmread(path))) == expected


def test_without_a_scale_axes_are_in_pixels_and_there_is_no_volume(tmp_path):
    path, _, report = save_report(tmp_path, "ultrasound")
    for group, lesion in zip(segment_groups(path), report.lesions, strict=True):
        found = numbers(group)
        assert found["Long Axis", None] == (
            pytest.approx(lesion.size.diameter.length, abs=1e-3),
            "{pixels}",
        )
        assert ("Volume", None) not in found


def test_a_small_volume_keeps_its_digits(tmp_path):
    """0.216 mm3, a voxel of 0.6 mm, is not no volume."""

    def one_voxel(report):
        first, second = report.lesions
        mask = Mask(np.ones((1, 1, 1), bool), (2, 4, 6), first.mask.grid)
        return replace(report, lesions=(replace(first, mask=mask), second))

    path, _, report = save_report(tmp_path, change=one_voxel, spacing=(0.6, 0.6, 0.6))
    assert report.lesions[0].size.volume_mm3 == pytest.approx(0.216)
    assert numbers(segment_groups(path)[0])["Volume", None] == (0.000216, "mL")


def test_axes_and_box_are_drawn_under_the_identity_of_the_lesion(tmp_path):
    path, volume, report = save_report(tmp_path)
    for lesion in report.lesions:
        groups = content(path).get_planar_roi_measurement_groups(tracking_uid=lesion.tracking_uid)
        long_axis, short_axis, box = (group.roi for group in groups)
        for region, line in ((long_axis, lesion.size.diameter), (short_axis, lesion.size.width)):
            ends = [[column + 0.5, row + 0.5] for row, column in (line.start, line.end)]
            assert np.allclose(region.value, ends)
            assert source_of(region) == volume.sources[line.slice_index]
        found = lesion.key_detection.box
        left, top, right, bottom = found.xyxy
        assert box.value.tolist() == [
            [left, top],
            [right, top],
            [right, bottom],
            [left, bottom],
            [left, top],
        ]
        assert source_of(box) == volume.sources[found.slice_index]


def source_of(region):
    return region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def test_segment_and_side_are_named(tmp_path):
    path, _, report = save_report(tmp_path, rule=replace(RULE, laterality=LEFT))
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    groups = content(path).get_volumetric_roi_measurement_groups()
    for number, (group, lesion) in enumerate(zip(groups, report.lesions, strict=True), start=1):
        assert group.tracking_uid == lesion.tracking_uid
        reference = group.referenced_segment[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        assert group.finding_sites[0].laterality.value == LEFT.value


def test_flags_stand_with_their_lesion_and_those_of_the_series_at_the_end(tmp_path):
    path, _, report = save_report(tmp_path, change=flagged)
    first, second = content(path).get_volumetric_roi_measurement_groups()
    assert flags_of(first) == [
        f"Quality flag {flag}: {flag.meaning}" for flag in report.lesions[0].flags
    ]
    assert flags_of(second) == []
    last = pydicom.dcmread(path).ContentSequence[-1]
    assert last.ConceptNameCodeSequence[0].CodeMeaning == "Qualitative Evaluations"
    assert len(last.ContentSequence) == len(Flag)


def flags_of(group):
    texts = [item.TextValue for item in group[0].ContentSequence if item.ValueType == "TEXT"]
    return [text for text in texts if text.startswith("Quality flag")]


def test_a_flag_makes_another_object_of_the_report(tmp_path):
    plain, *_ = save_report(tmp_path / "a")
    with_flags, *_ = save_report(tmp_path / "b", change=flagged)
    first, second = (pydicom.dcmread(path).SOPInstanceUID for path in (plain, with_flags))
    assert first != second


def scored(report):
    first, second = report.lesions
    return replace(report, lesions=(replace(first, score=first.score + 1e-4), second))


def boxed(report):
    first, second = report.lesions
    box = replace(first.detections[0].box, width=4.25)
    moved = replace(first, detections=(replace(first.detections[0], box=box),))
    return replace(report, lesions=(moved, second))


@pytest.mark.parametrize("change", [scored, boxed])
def test_another_score_or_box_makes_other_objects(change, tmp_path):
    plain, *_ = save_report(tmp_path / "a")
    other, *_ = save_report(tmp_path / "b", change=change)
    for name in ("sr.dcm", "seg.dcm"):
        first, second = (pydicom.dcmread(p.parent / name).SOPInstanceUID for p in (plain, other))
        assert first != second


@pytest.mark.parametrize("case", ["axial", "ultrasound"])
def test_a_report_on_nothing_says_not_detected_and_names_what_was_read(case, tmp_path):
    path, volume, _ = save_report(tmp_path, case, change=lambda _: NOTHING)
    assert dciodvfy_errors(path) == []
    report = hd.sr.srread(path)
    assert report.content.get_volumetric_roi_measurement_groups() == []
    (finding,) = report.ContentSequence[-1].ContentSequence
    assert finding.ConceptNameCodeSequence[0].CodeMeaning == "Lesion"
    assert finding.ConceptCodeSequence[0].CodeMeaning == "Not detected"
    assert {str(item[2]) for item in report.get_evidence()} == set(volume.sources)
    assert read_with_dcmqi(path) == []


@pytest.mark.parametrize("change", [lambda report: report, lambda _: NOTHING])
def test_the_same_input_gives_the_same_bytes(change, tmp_path):
    first, *_ = save_report(tmp_path / "a", change=change)
    second, *_ = save_report(tmp_path / "b", change=change)
    assert first.read_bytes() == second.read_bytes()
