"""The measurement groups of a lesion: what was measured, on what, and how sure the model was."""

from typing import Any

import numpy as np
from highdicom import sr
from jaxtyping import Float64
from pydicom.dataset import Dataset

from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.flags import Flag
from lesionmap.models.core.measure import Diameter, Size, measure_brightness
from lesionmap.operators.dicom.codes import ARTIFICIAL_INTELLIGENCE, Code
from lesionmap.operators.dicom.seg import MANUFACTURER
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.dicom.subject import Subject

VOLUME = Code("118565006", "SCT", "Volume")
LONG_AXIS = Code("103339001", "SCT", "Long Axis")
SHORT_AXIS = Code("103340004", "SCT", "Short Axis")
ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
MEAN = Code("373098007", "SCT", "Mean")
DEVIATION = Code("386136009", "SCT", "Standard Deviation")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
BOUNDED_BY = Code("75958009", "SCT", "Bounded by")
MILLILITRE = Code("mL", "UCUM", "milliliter")
LENGTH_UNITS = {
    "mm": Code("mm", "UCUM", "millimeter"),
    "pixel": Code("{pixels}", "UCUM", "pixels"),
}
"""Pixels are a UCUM annotation, whose meaning is its own text: DICOM PS3.16, 7.2.2."""
HOUNSFIELD = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
PERCENT = Code("%", "UCUM", "Percent")

MAXIMUM = Code("56851009", "SCT", "Maximum")
COMMENT = Code("121106", "DCM", "Comment")
_DECIMALS = 3
_HOUNSFIELD_TYPE = "HU"
SCORE_MEANING = "Certainty of Finding is the highest detector score, not a probability"


def build_groups(number: int, lesion: Lesion, subject: Subject) -> list[Any]:
    """Return the groups of a lesion: its segment with all that is known, then what is drawn.

    All have the lesion's tracking UID, which names the lesion, not the group.
    OHIF merges groups of one tracking UID and draws the first line that it
    meets: the long axis.

    Source: DICOM PS3.16, TID 1411 and TID 1410.
    """
    size = lesion.size
    shared = _shared(number, lesion, subject)
    segment = sr.ReferencedSegment(
        sop_class_uid=subject.written_seg.SOPClassUID,
        sop_instance_uid=subject.written_seg.SOPInstanceUID,
        segment_number=number,
        source_series=sr.SourceSeriesForSegmentation(subject.series.uid),
    )
    volumetric = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=segment,
        measurements=_measurements(lesion, subject),
        algorithm_id=_algorithm(subject),
        **shared,
    )
    volumetric[0].ContentSequence.extend([_comment(SCORE_MEANING), *flag_items(lesion.flags)])
    long_axis = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=_axis_line(size.diameter, subject),
        measurements=[_length(LONG_AXIS, size.diameter, size)],
        **shared,
    )
    short_axis = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=_axis_line(size.width, subject),
        measurements=[_length(SHORT_AXIS, size.width, size)],
        **shared,
    )
    box = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=_box_line(lesion, subject),
        geometric_purpose=BOUNDED_BY.concept(),
        **shared,
    )
    return [volumetric, long_axis, short_axis, box]


def flag_items(flags: tuple[Flag, ...]) -> list[sr.TextContentItem]:
    """Return quality flags as comments; there is no standard code for what they say."""
    return [_comment(f"Quality flag {flag}: {flag.meaning}") for flag in flags]


def pictured_slices(lesion: Lesion) -> set[int]:
    """Return the slices that the groups of a lesion refer to."""
    return {lesion.size.diameter.slice_index, lesion.key_detection.box.slice_index}


def _shared(number: int, lesion: Lesion, subject: Subject) -> dict[str, Any]:
    rule = subject.rule.for_label(lesion.label)
    return {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=lesion.tracking_uid, identifier=f"{rule.name} {number}"
        ),
        "finding_category": rule.category.concept(),
        "finding_type": rule.segment_type.concept(),
        "finding_sites": _sites(rule),
    }


def _sites(rule: Rule) -> list[sr.FindingSite] | None:
    if rule.site is None:
        return None
    laterality = rule.laterality.concept() if rule.laterality else None
    return [sr.FindingSite(rule.site.concept(), laterality=laterality)]


def _algorithm(subject: Subject) -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(
        name=MANUFACTURER,
        version=subject.provenance.software_version,
        parameters=[f"{model.name} sha256:{model.sha256}" for model in subject.report.models],
        family=ARTIFICIAL_INTELLIGENCE.concept(),
    )


def _measurements(lesion: Lesion, subject: Subject) -> list[sr.Measurement]:
    size = lesion.size
    found = [_number(CERTAINTY, 100 * lesion.score, PERCENT, MAXIMUM)]
    if size.volume_mm3 is not None:
        millilitres = round(size.volume_mm3, _DECIMALS) / 1000
        found.append(_number(VOLUME, millilitres, MILLILITRE, decimals=_DECIMALS + 3))
    if _in_hounsfield(subject):
        brightness = measure_brightness(subject.display.volume, lesion.mask)
        found.append(_number(ATTENUATION, brightness.mean, HOUNSFIELD, MEAN))
        found.append(_number(ATTENUATION, brightness.deviation, HOUNSFIELD, DEVIATION))
    axes = ((LONG_AXIS, size.diameter), (SHORT_AXIS, size.width))
    return found + [_length(name, line, size) for name, line in axes]


def _in_hounsfield(subject: Subject) -> bool:
    """Whether voxels are CT numbers; dual-energy maps are CT too, of densities or atomic numbers.

    Source: DICOM PS3.3, C.8.2.1.1 (Rescale Type) and C.11.1.1.2 (Modality LUT Type).
    """
    headers = [instance.header for instance in subject.series.instances]
    return subject.display.volume.modality == "CT" and all(map(_says_hounsfield, headers))


def _says_hounsfield(header: Dataset) -> bool:
    lut = header.get("ModalityLUTSequence")
    if not lut and header.get("RescaleIntercept") is None:
        return False
    stated = lut[0].get("ModalityLUTType") if lut else header.get("RescaleType")
    return str(stated or _HOUNSFIELD_TYPE).strip() == _HOUNSFIELD_TYPE


def _length(name: Code, line: Diameter, size: Size) -> sr.Measurement:
    return _number(name, line.length, LENGTH_UNITS[size.unit])


def _number(
    name: Code,
    value: float,
    unit: Code,
    derivation: Code | None = None,
    *,
    decimals: int = _DECIMALS,
) -> sr.Measurement:
    return sr.Measurement(
        name=name.concept(),
        value=round(value, decimals),
        unit=unit.concept(),
        derivation=derivation.concept() if derivation else None,
    )


def _comment(text: str) -> sr.TextContentItem:
    return sr.TextContentItem(
        COMMENT.concept(), text, relationship_type=sr.RelationshipTypeValues.CONTAINS
    )


def _axis_line(line: Diameter, subject: Subject) -> sr.ImageRegion:
    # SCOORD counts from the edge of the first pixel, grids from its centre: PS3.3, C.18.6.1.2.
    ends = np.array([line.start, line.end])[:, ::-1] + 0.5
    return _polyline(ends, line.slice_index, subject)


def _box_line(lesion: Lesion, subject: Subject) -> sr.ImageRegion:
    box = lesion.key_detection.box
    left, top, right, bottom = box.xyxy
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return _polyline(np.array(corners, np.float64), box.slice_index, subject)


def _polyline(
    points: Float64[np.ndarray, "n 2"], slice_index: int, subject: Subject
) -> sr.ImageRegion:
    instance = subject.series.instances[slice_index]
    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=points,
        source_image=sr.SourceImageForRegion(
            referenced_sop_class_uid=instance.header.SOPClassUID,
            referenced_sop_instance_uid=instance.sop_instance_uid,
        ),
    )
