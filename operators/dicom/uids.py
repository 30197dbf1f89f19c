"""Deterministic UIDs: same input, weights and settings give the same objects."""

import uuid

from pydicom.uid import UID

_SEPARATOR = "\x1f"
"""Stands in no UID, hash or name, so that different parts never join to the same text."""


def derive_uid(*parts: str) -> UID:
    """Return a UID of the 2.25 root that depends on ``parts`` alone.

    A re-sent series then yields the same SEG instance, and archives keep one.

    Source: DICOM PS3.5, B.2 (UUID derived UIDs).
    """
    named = uuid.uuid5(uuid.NAMESPACE_OID, _SEPARATOR.join(("lesionmap", *parts)))
    return UID(f"2.25.{named.int}")
