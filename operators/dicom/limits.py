"""Sizes beyond which input is refused before it costs memory."""

import zlib
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from lesionmap.models.core.errors import PixelError

DEEPEST_NESTING = 32
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Budget of one run.

    ``series_bytes`` bounds the decoded voxels of a series, ``file_bytes`` one
    file, inflated.
    """

    series_bytes: int = 4 << 30
    file_bytes: int = 1 << 30


def check_file_size(path: Path, limits: Limits) -> None:
    """Refuse a file that is, or inflates to, more than ``limits.file_bytes``.

    A deflated file is inflated chunk by chunk and thrown away, because pydicom
    inflates without a bound.

    Raises:
        PixelError: the file is over the budget, or its deflated part is damaged.
    """
    size = path.stat().st_size
    if size <= limits.file_bytes and _is_deflated(path):
        size = _inflated_size(path, limits.file_bytes)
    if size > limits.file_bytes:
        raise PixelError(f"a file exceeds the budget of {limits.file_bytes >> 20} MiB")


def check_nesting(dataset: Dataset) -> None:
    """Refuse sequences nested deeper than any real object's, level by level.

    pydicom recurses without a bound when a whole dataset is decoded or copied, and
    on a hostile file takes all memory before it gives up.

    Raises:
        PixelError: sequences are nested more than ``DEEPEST_NESTING`` deep.
    """
    level = [dataset]
    for _ in range(DEEPEST_NESTING):
        sequences = [element.value for owner in level for element in owner if element.VR == "SQ"]
        level = [item for sequence in sequences for item in sequence]
        if not level:
            return
    raise PixelError(f"sequences are nested more than {DEEPEST_NESTING} deep")


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as stream:
        # The transfer syntax stands in the first group, which is never long.
        return DeflatedExplicitVRLittleEndian.encode() in stream.read(1 << 12)


def _inflated_size(path: Path, budget: int) -> int:
    meta = read_file_meta_info(path)
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as stream:
        stream.seek(144 + int(meta.FileMetaInformationGroupLength))
        try:
            while total <= budget and (chunk := inflater.unconsumed_tail or stream.read(_CHUNK)):
                total += len(inflater.decompress(chunk, _CHUNK))
        except zlib.error as error:
            raise PixelError("a deflated file is damaged") from error
    return total
