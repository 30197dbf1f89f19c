"""Lesions to a measurement report: DICOM SR, TID 1500."""

import warnings
from collections.abc import Sequence

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import OutputError
from lesionmap.operators.dicom.codes import LESION, Code
from lesionmap.operators.dicom.receipt import Receipt, add_receipt
from lesionmap.operators.dicom.report_groups import build_groups, flag_items, pictured_slices
from lesionmap.operators.dicom.seg import (
    MANUFACTURER,
    NOT_FOR_DIAGNOSIS,
    fingerprint,
    fix_dates,
    read_source,
)
from lesionmap.operators.dicom.subject import Subject
from lesionmap.operators.dicom.uids import derive_uid

TITLE = Code("126000", "DCM", "Imaging Measurement Report")
MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure Reported")
PROCEDURE = Code("363679005", "SCT", "Imaging")
DEVICE = Code("121007", "DCM", "Device")
NOT_DETECTED = Code("260415000", "SCT", "Not detected")

_SERIES_NUMBER_OFFSET = 9500


def build_report(subject: Subject) -> Dataset:
    """Return a Comprehensive 3D SR on the lesions of a series, or on there being none.

    Where nothing was found, the report says that no lesion was detected,
    which is not the same as that there is none.

    Raises:
        OutputError: the source headers do not allow a report.

    Source: DICOM PS3.16, TID 1500.
    """
    source = read_source(subject.series.instances[0].path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _document(subject, source)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(
            f"no report can be made of this series ({type(error).__name__}): its headers lack "
            "what the standard requires"
        ) from error


def _document(subject: Subject, source: Dataset) -> Dataset:
    key = _key(subject)
    document = sr.Comprehensive3DSR(
        evidence=_evidence(subject, source),
        content=_content(subject),
        series_instance_uid=derive_uid("sr series", key),
        series_number=_SERIES_NUMBER_OFFSET + int(source.get("SeriesNumber") or 0) % 1000,
        sop_instance_uid=derive_uid("sr instance", key),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=f"LesionMAP report: {NOT_FOR_DIAGNOSIS}"[:64],
    )
    add_receipt(document, Receipt.of_subject(subject))
    return fix_dates(document, source)


def _key(subject: Subject) -> str:
    """Return what decides the report: the result, and its flags, which the SEG does not hold."""
    report = subject.report
    nothing = np.zeros((0, *subject.display.grid.shape[1:]), np.uint8)
    result = subject.seg.SOPInstanceUID if subject.seg else fingerprint(subject, nothing)
    flags = [" ".join(flags) for flags in (report.flags, *(item.flags for item in report.lesions))]
    return str(derive_uid(str(result), *flags))


def _evidence(subject: Subject, source: Dataset) -> list[Dataset]:
    """Return the objects that the report refers to, led by the one that names the patient."""
    instances, lesions = subject.series.instances, subject.report.lesions
    if subject.seg is None:
        return [source, *(instance.header for instance in instances)]
    slices = sorted(set().union(*(pictured_slices(lesion) for lesion in lesions)))
    return [source, subject.seg, *(instances[index].header for index in slices)]


def _content(subject: Subject) -> Dataset:
    """Return the root of the tree; highdicom's own needs at least one measurement.

    Source: DICOM PS3.16, TID 1500, rows 1 to 5, 6 and 12.
    """
    root = sr.ContainerContentItem(TITLE.concept(), template_id="1500")
    children = [
        *sr.LanguageOfContentItemAndDescendants(sr.CodedConcept("en-US", "RFC5646", "English")),
        *_observer(subject.provenance.software_version),
        sr.CodeContentItem(
            PROCEDURE_REPORTED.concept(),
            PROCEDURE.concept(),
            relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD,
        ),
    ]
    lesions = subject.report.lesions
    groups = [
        item
        for number, lesion in enumerate(lesions, start=1)
        for group in build_groups(number, lesion, subject)
        for item in group
    ]
    evaluations: list[Dataset] = [*flag_items(subject.report.flags)]
    if not lesions:
        evaluations += sr.QualitativeEvaluation(LESION.concept(), NOT_DETECTED.concept())
    for name, items in ((MEASUREMENTS, groups), (EVALUATIONS, evaluations)):
        if items:
            children.append(_container(name, items))
    root.ContentSequence = sr.ContentSequence(children)
    return root


def _container(name: Code, items: Sequence[Dataset]) -> sr.ContainerContentItem:
    container = sr.ContainerContentItem(
        name.concept(), relationship_type=sr.RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = sr.ContentSequence(items)
    return container


def _observer(software_version: str) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", software_version),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MANUFACTURER} {software_version}",
    )
    context = sr.ObserverContext(
        observer_type=DEVICE.concept(), observer_identifying_attributes=device
    )
    return sr.ObservationContext(observer_device_context=context)
