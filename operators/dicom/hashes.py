"""Hashes of DICOM objects that do not depend on how a system stores them."""

import hashlib
import io

from pydicom.filereader import read_dataset, read_preamble

_FILE_META_GROUP = 2


def hash_dataset(content: bytes) -> str:
    """Return the sha256 of the data set in a DICOM file.

    Preamble and file meta information are left out: each system that stores an
    object writes its own, and the archive's copy must give the same hash.

    Source: DICOM PS3.10, 7.1.
    """
    stream = io.BytesIO(content)
    read_preamble(stream, force=True)
    read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, *_: tag.group != _FILE_META_GROUP,
    )
    return hashlib.sha256(memoryview(content)[stream.tell() :]).hexdigest()
