"""A finding has the same codes in every object, its own where the rule gives it some."""

from dataclasses import replace

import pydicom
import pytest

from lesionmap.operators.dicom.codes import LEFT, Code
from lesionmap.operators.dicom.report import build_report
from lesionmap.operators.dicom.seg import build_seg
from lesionmap.operators.dicom.selection import Finding
from tests.seg_cases import RULE, report_on, subject_of, write
from tests.seg_readers import dciodvfy_errors

NODULE = Finding(
    "class 1",
    "Nodule",
    Code("49755003", "SCT", "Morphologically Abnormal Structure"),
    Code("27925004", "SCT", "Nodule"),
    Code("45653009", "SCT", "Upper lobe of Lung"),
)


@pytest.fixture
def subject(tmp_path):
    volume, series = write(tmp_path / "in")
    report = report_on(volume)
    first, second = report.lesions
    report = replace(report, lesions=(first, replace(second, label="Nodule")))
    subject = subject_of(series, report)
    return replace(subject, rule=replace(RULE, findings=(NODULE,), laterality=LEFT))


def test_each_segment_has_the_codes_of_its_label(subject, tmp_path):
    path = tmp_path / "seg.dcm"
    build_seg(subject).save_as(path, enforce_file_format=True)
    segments = pydicom.dcmread(path).SegmentSequence
    types = [item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for item in segments]
    regions = [item.AnatomicRegionSequence[0] for item in segments]
    assert types == ["Lesion", "Nodule"]
    assert [region.CodeValue for region in regions] == ["39607008", "45653009"]
    assert regions[0].AnatomicRegionModifierSequence[0].CodeValue == LEFT.value
    assert "AnatomicRegionModifierSequence" not in regions[1]  # the side is that of the rule's site
    assert [item.SegmentLabel for item in segments] == ["Lesion 1", "Nodule 2"]
    assert dciodvfy_errors(path) == []


def test_the_report_says_the_same(subject):
    document = build_report(subject.with_seg(build_seg(subject)))
    first, second = subject.report.lesions
    assert {(first.tracking_uid, "52988006"), (second.tracking_uid, "27925004")} == {
        (uid_of(group), finding(group, "121071")) for group in walk(document) if uid_of(group)
    }


def walk(item):
    yield item
    for child in item.get("ContentSequence", ()):
        yield from walk(child)


def finding(group, name):
    for child in group.get("ContentSequence", ()):
        if child.ConceptNameCodeSequence[0].CodeValue == name:
            return child.ConceptCodeSequence[0].CodeValue
    return None


def uid_of(group):
    for child in group.get("ContentSequence", ()):
        if child.ConceptNameCodeSequence[0].CodeValue == "112040":
            return child.UID
    return None
