"""The receipt of a series: one hash over everything that decides its outputs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import highdicom as hd
from pydicom.dataset import Dataset

from lesionmap.models.core.finding import ModelIdentity
from lesionmap.operators.dicom.codes import PROCESSING_EQUIPMENT
from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.dicom.subject import Provenance, Subject

_MAKER = "LesionMAP"
_PREFIX = "receipt sha256:"


@dataclass(frozen=True)
class Receipt:
    """What decided the outputs of a series; ``inputs`` are hashes by SOP Instance UID."""

    inputs: Mapping[str, str]
    rule: str
    models: tuple[ModelIdentity, ...]
    provenance: Provenance

    @classmethod
    def of_series(
        cls, series: Series, rule: Rule, models: tuple[ModelIdentity, ...], provenance: Provenance
    ) -> "Receipt":
        """Return the receipt of a series that was read; ValueError where one was not."""
        inputs = {item.sop_instance_uid: item.sha256 for item in series.instances if item.sha256}
        if len(inputs) != len(series.instances):
            raise ValueError("a receipt needs the hash of every instance: decode the series first")
        return cls(inputs, rule.name, models, provenance)

    @classmethod
    def of_subject(cls, subject: Subject) -> "Receipt":
        """Return the receipt of the outputs that are made from ``subject``."""
        return cls.of_series(
            subject.series, subject.rule, subject.report.models, subject.provenance
        )

    @property
    def input_digest(self) -> str:
        """Hash over one line for each instance, "hash, two blanks, UID", sorted by UID."""
        lines = [f"{digest}  {uid}\n" for uid, digest in sorted(self.inputs.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def digest(self) -> str:
        """Hash of the receipt as JSON with sorted keys and no blanks."""
        content = {
            "input": self.input_digest,
            "rule": self.rule,
            "models": [asdict(model) for model in self.models],
            "settings": self.provenance.settings_digest,
            "software": self.provenance.software_version,
            "code": self.provenance.code_sha256,
            "packages": dict(self.provenance.packages),
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def add_receipt(result: Dataset, receipt: Receipt) -> Dataset:
    """Write the receipt's hash into an object of any class, without private elements.

    Source: DICOM PS3.3, C.12.1.1.5 (Contributing Equipment Sequence).
    """
    equipment = hd.ContributingEquipment(
        _MAKER,
        PROCESSING_EQUIPMENT.concept(),
        manufacturer_model_name=_MAKER,
        software_versions=receipt.provenance.software_version,
        contribution_description=_PREFIX + receipt.digest,
    )
    result.ContributingEquipmentSequence = [
        equipment,
        *result.get("ContributingEquipmentSequence", ()),
    ]
    return result


def read_receipt(result: Dataset) -> str | None:
    """Return the receipt's hash that ``add_receipt`` wrote, or None."""
    for item in result.get("ContributingEquipmentSequence", ()):
        description = str(item.get("ContributionDescription", ""))
        if description.startswith(_PREFIX):
            return description.removeprefix(_PREFIX)
    return None
