"""Decode pixels into modality units, one slice at a time."""

import io
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pydicom
from jaxtyping import Shaped
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from lesionmap.models.core.errors import GeometryError, PixelError
from lesionmap.models.core.volume import Grid, ImageVolume
from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.dicom.geometry import has_plane, image_grid, read_plane, stack_planes
from lesionmap.operators.dicom.hashes import hash_dataset
from lesionmap.operators.dicom.scan import UNREADABLE, Instance

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"})
DECODERS = {
    RLELossless: "pylibjpeg",
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "gdcm",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
    HTJ2K: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
}
"""GDCM only where nothing else decodes: it may abort the process on damaged data."""


def build_volume(
    series: Series, *, gap_tolerance: float, on_slice: Callable[[int, int], None] | None = None
) -> tuple[ImageVolume, Series]:
    """Decode a checked series into a volume in modality units.

    Each file is read once: the hash that the receipt names is that of the very
    bytes that were decoded.

    Returns:
        The volume, and the series with its instances in the order of the slices.

    Raises:
        GeometryError: the slices do not form one regular stack.
        PixelError: a slice cannot be decoded, is truncated, or has an
            unsupported photometric interpretation.
    """
    grid, ordered = place_series(series, gap_tolerance)
    photometric = _photometric(series.header)
    voxels = np.empty(
        grid.shape if photometric in _GREY else (*grid.shape, 3),
        _voxel_type(ordered, photometric),
    )
    hashed = []
    for index, instance in enumerate(ordered):
        content = _read(instance)
        voxels[index] = _decode(content, photometric, voxels[index])
        hashed.append(replace(instance, sha256=hash_dataset(content)))
        if on_slice:
            on_slice(index + 1, len(ordered))
    volume = ImageVolume(
        voxels=voxels,
        grid=grid,
        modality=str(series.header.Modality),
        sources=tuple(instance.sop_instance_uid for instance in ordered),
        low_is_white=photometric == "MONOCHROME1",
    )
    return volume, Series(tuple(hashed), series.notes)


def place_series(series: Series, gap_tolerance: float) -> tuple[Grid, list[Instance]]:
    """Return the grid of a checked series, and its instances in the order of the slices.

    Raises:
        GeometryError: the slices do not form one regular stack.
    """
    header = series.header
    if not has_plane(header):
        return image_grid(header), list(series.instances)
    planes = [read_plane(instance.header) for instance in series.instances]
    thickness = _thickness(header) if len(planes) == 1 else None
    stack = stack_planes(planes, thickness_mm=thickness, gap_tolerance=gap_tolerance)
    grid = Grid(
        affine=stack.affine,
        shape=(len(planes), int(header.Rows), int(header.Columns)),
        frame_of_reference_uid=str(header.get("FrameOfReferenceUID") or "") or None,
        has_depth=stack.has_depth,
    )
    return grid, [series.instances[index] for index in stack.order]


def _thickness(header: Dataset) -> float | None:
    """Return the depth of the voxels of a single slice; None where nothing tells it."""
    try:
        thickness = float(header.get("SliceThickness") or 0)
    except (TypeError, ValueError):
        raise GeometryError("the Slice Thickness of a single slice is no number") from None
    return thickness or None


def _photometric(header: Dataset) -> str:
    photometric = str(header.get("PhotometricInterpretation") or "")
    if photometric not in _GREY | _COLOUR:
        raise PixelError("unsupported Photometric Interpretation")
    return photometric


def _voxel_type(instances: list[Instance], photometric: str) -> type[np.generic]:
    """Return the smallest type that holds the modality units of every slice exactly."""
    if photometric in _COLOUR:
        return np.uint8
    low, high = 0.0, 0.0
    for instance in instances:
        header = instance.header
        slope, intercept = _rescale(header)
        if "ModalityLUTSequence" in header or not (slope.is_integer() and intercept.is_integer()):
            return np.float32
        least, most = _stored_range(header)
        ends = (least * slope + intercept, most * slope + intercept)
        low, high = min(low, *ends), max(high, *ends)
    for candidate in (np.uint8, np.int16, np.int32):
        if np.iinfo(candidate).min <= low and high <= np.iinfo(candidate).max:
            return candidate
    return np.float32


def _rescale(header: Dataset) -> tuple[float, float]:
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return (
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
    )


def _stored_range(header: Dataset) -> tuple[int, int]:
    stored = int(header.get("BitsStored") or header.get("BitsAllocated") or 16)
    if int(header.get("PixelRepresentation") or 0):
        return -(1 << (stored - 1)), (1 << (stored - 1)) - 1
    return 0, (1 << stored) - 1


def _read(instance: Instance) -> bytes:
    try:
        return instance.path.read_bytes()
    except OSError as error:
        raise PixelError(f"a slice cannot be read ({type(error).__name__})") from error


def _decode(
    content: bytes, photometric: str, room: Shaped[np.ndarray, "rows columns *channels"]
) -> Shaped[np.ndarray, "rows columns *channels"]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            _choose_decoder(dataset)
            pixels = _modality_units(dataset, photometric)
    except UNREADABLE as error:
        raise PixelError(
            f"pixels of a slice cannot be decoded ({type(error).__name__}): is the file "
            "truncated, or its transfer syntax unsupported?"
        ) from error
    if pixels.shape != room.shape:
        raise PixelError(f"a slice decodes to {pixels.shape}, its header says {room.shape}")
    if not np.isfinite(pixels).all():
        raise PixelError("a slice holds values that are not finite")
    return pixels


def _choose_decoder(dataset: Dataset) -> None:
    """Fix the decoder, so that results do not depend on what else is installed."""
    syntax = dataset.file_meta.get("TransferSyntaxUID") if "file_meta" in vars(dataset) else None
    if syntax in DECODERS:
        dataset.pixel_array_options(decoding_plugin=DECODERS[syntax])


def _modality_units(dataset: Dataset, photometric: str) -> Shaped[np.ndarray, "..."]:
    stored = dataset.pixel_array  # pydicom masks what lies outside Bits Stored
    if photometric in _GREY:
        return apply_modality_lut(stored, dataset)
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    if stored.dtype != np.uint8:
        # 16-bit colour (palettes above all) is reduced to the 8 bits a screen shows.
        stored = stored >> (8 * (stored.dtype.itemsize - 1))
    return stored.astype(np.uint8)
