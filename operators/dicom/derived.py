"""The header that every object shares which highdicom has no class for."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from lesionmap.models.core.errors import OutputError
from lesionmap.operators.dicom.receipt import Receipt, add_receipt
from lesionmap.operators.dicom.seg import MANUFACTURER, NOT_FOR_DIAGNOSIS, fix_dates, read_source
from lesionmap.operators.dicom.subject import Subject
from lesionmap.operators.dicom.uids import derive_uid


@dataclass(frozen=True)
class Kind:
    """What sets the objects of one kind apart; ``name`` ends in their UIDs."""

    name: str
    sop_class: UID
    modality: str
    series_number_offset: int
    syntax: UID = ExplicitVRLittleEndian


def derive_object(
    subject: Subject, kind: Kind, fill: Callable[[Dataset], None], content: str = ""
) -> Dataset:
    """Return an object of the patient and study of a series, filled by ``fill``.

    UIDs follow from the SEG's and from ``content``, a hash of what the SEG does not decide.

    Raises:
        OutputError: the source headers do not allow it.

    Source: DICOM PS3.3, C.7.1 (patient), C.7.2 (study), C.7.3.1, C.7.5.1, C.12.1.
    """
    source = read_source(subject.series.instances[0].path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            derived = add_receipt(
                _header(subject, kind, source, content), Receipt.of_subject(subject)
            )
            fix_dates(derived, source)
            fill(derived)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(
            f"no {kind.name} can be made of this series ({type(error).__name__}): its headers "
            "lack what the standard requires"
        ) from error
    return derived


def reference(instance: Dataset) -> Dataset:
    """Return an item that refers to an instance by class and UID."""
    item = Dataset()
    item.ReferencedSOPClassUID = instance.SOPClassUID
    item.ReferencedSOPInstanceUID = instance.SOPInstanceUID
    return item


def _header(subject: Subject, kind: Kind, source: Dataset, content: str) -> Dataset:
    key = (str(subject.written_seg.SOPInstanceUID), *([content] if content else []))
    derived = SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=derive_uid(f"{kind.name} series", *key),
        series_number=kind.series_number_offset + int(source.get("SeriesNumber") or 0) % 1000,
        sop_instance_uid=derive_uid(f"{kind.name} instance", *key),
        sop_class_uid=kind.sop_class,
        instance_number=1,
        modality=kind.modality,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=subject.provenance.software_version,
        device_serial_number=subject.written_seg.DeviceSerialNumber,
        series_description=f"LesionMAP {kind.name}: {NOT_FOR_DIAGNOSIS}"[:64],
        transfer_syntax_uid=kind.syntax,
        specific_character_set="ISO_IR 192",
    )
    derived.copy_patient_and_study_information(source)
    return derived
