"""Lesions to a measurement report: DICOM SR, TID 1500."""

import warnings
from typing import Any

import highdicom as hd
import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import OutputError
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.measure import Size, measure, measure_brightness
from lesionmap.operators.dicom.codes import (
    ARTIFICIAL_INTELLIGENCE,
    Code,
)
from lesionmap.operators.dicom.receipt import Receipt, add_receipt
from lesionmap.operators.dicom.seg import (
    MANUFACTURER,
    NOT_FOR_DIAGNOSIS,
    fix_dates,
    read_source,
)
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.dicom.subject import Provenance, Subject
from lesionmap.operators.dicom.uids import derive_uid

VOLUME = Code("118565006", "SCT", "Volume")
LONG_AXIS = Code("103339001", "SCT", "Long Axis")
SHORT_AXIS = Code("103340004", "SCT", "Short Axis")
ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
MEAN = Code("373098007", "SCT", "Mean")
DEVIATION = Code("386136009", "SCT", "Standard Deviation")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
MILLILITRE = Code("mL", "UCUM", "milliliter")
MILLIMETRE = Code("mm", "UCUM", "millimeter")
HOUNSFIELD = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
PERCENT = Code("%", "UCUM", "Percent")
PROCEDURE = Code("363679005", "SCT", "Imaging")

_SERIES_NUMBER_OFFSET = 9500


def build_report(subject: Subject) -> Dataset:
    """Return a Comprehensive 3D SR with a volumetric and a planar group for each lesion.

    The volumetric group refers to the lesion's segment and carries the
    measurements. The planar group draws the long axis as a polyline on its
    slice, which is what viewers show. Both have the lesion's tracking UID.

    Raises:
        OutputError: the source headers do not allow a report.

    Source: DICOM PS3.16, TID 1500, 1411, 1410 and 1419.
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
    report, provenance = subject.report, subject.provenance
    key = str(subject.written_seg.SOPInstanceUID)
    groups = [
        group
        for number, lesion in enumerate(report.lesions, start=1)
        for group in _groups(number, lesion, subject)
    ]
    content = sr.MeasurementReport(
        observation_context=_observer(provenance),
        procedure_reported=PROCEDURE.concept(),
        imaging_measurements=groups,
    )
    document = sr.Comprehensive3DSR(
        evidence=_evidence(subject),
        content=content,
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


def _observer(provenance: Provenance) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", provenance.software_version),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MANUFACTURER} {provenance.software_version}",
    )
    context = sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=device,
    )
    return sr.ObservationContext(observer_device_context=context)


def _evidence(subject: Subject) -> list[Dataset]:
    lesions = subject.report.lesions
    slices = sorted({measure(lesion.mask).diameter.slice_index for lesion in lesions})
    paths = [subject.series.instances[index].path for index in slices]
    return [subject.written_seg, *(read_source(path) for path in paths)]


def _groups(number: int, lesion: Lesion, subject: Subject) -> list[Any]:
    size, rule = measure(lesion.mask), subject.rule.for_label(lesion.label)
    shared = {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=lesion.tracking_uid, identifier=f"{rule.name} {number}"
        ),
        "finding_category": rule.category.concept(),
        "finding_type": rule.segment_type.concept(),
        "finding_sites": _sites(rule),
        "algorithm_id": _algorithm(subject),
    }
    segment = sr.ReferencedSegment(
        sop_class_uid=subject.written_seg.SOPClassUID,
        sop_instance_uid=subject.written_seg.SOPInstanceUID,
        segment_number=number,
        source_series=sr.SourceSeriesForSegmentation(subject.series.uid),
    )
    volumetric = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=segment, measurements=_measurements(lesion, size, subject), **shared
    )
    planar = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=_long_axis_line(size, subject), measurements=_axes(size), **shared
    )
    return [volumetric, planar]


def _sites(rule: Rule) -> list[sr.FindingSite] | None:
    return [sr.FindingSite(rule.site.concept())] if rule.site else None


def _algorithm(subject: Subject) -> sr.AlgorithmIdentification:
    models = subject.report.models
    return sr.AlgorithmIdentification(
        name=MANUFACTURER,
        version=subject.provenance.software_version,
        parameters=[f"{model.name} sha256:{model.sha256}" for model in models],
        family=ARTIFICIAL_INTELLIGENCE.concept(),
    )


def _measurements(lesion: Lesion, size: Size, subject: Subject) -> list[sr.Measurement]:
    found = [_number(CERTAINTY, 100 * lesion.score, PERCENT)]
    if size.volume_mm3 is not None:
        found.append(_number(VOLUME, size.volume_mm3 / 1000, MILLILITRE))
    if subject.display.volume.modality == "CT":
        brightness = measure_brightness(subject.display.volume, lesion.mask)
        found.append(_number(ATTENUATION, brightness.mean, HOUNSFIELD, MEAN))
        found.append(_number(ATTENUATION, brightness.deviation, HOUNSFIELD, DEVIATION))
    return found + _axes(size)


def _axes(size: Size) -> list[sr.Measurement]:
    if size.long_axis_mm is None or size.short_axis_mm is None:
        return []
    return [
        _number(LONG_AXIS, size.long_axis_mm, MILLIMETRE),
        _number(SHORT_AXIS, size.short_axis_mm, MILLIMETRE),
    ]


def _number(name: Code, value: float, unit: Code, derivation: Code | None = None) -> sr.Measurement:
    return sr.Measurement(
        name=name.concept(),
        value=round(value, 3),
        unit=unit.concept(),
        derivation=derivation.concept() if derivation else None,
    )


def _long_axis_line(size: Size, subject: Subject) -> sr.ImageRegion:
    # SCOORD counts from the edge of the first pixel, grids from its centre: PS3.3, C.18.6.1.2.
    ends = np.array([size.diameter.start, size.diameter.end])[:, ::-1] + 0.5
    instance = subject.series.instances[size.diameter.slice_index]
    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=ends,
        source_image=sr.SourceImageForRegion(
            referenced_sop_class_uid=instance.header.SOPClassUID,
            referenced_sop_instance_uid=instance.sop_instance_uid,
        ),
    )
