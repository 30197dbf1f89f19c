"""Organs of trunk CT and abdominal MR, for the segmenter alone: they are no lesions.

The maps were made by TotalSegmentator, not by experts: good enough to learn what a
border looks like, no ground for claims of accuracy. The two 3 mm volumes are for
training, the 20 slices at full resolution for validation.

Source: Wasserthal et al. 2023, doi:10.1148/ryai.230024 (Apache-2.0; images CC BY 4.0).
"""

import gzip
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Bool, Float64, Shaped, UInt8
from scipy import ndimage

from lesionmap.models.core.intensity import FixedWindow, PercentileWindow, to_display
from lesionmap.models.training.datasets.sample import Sample, Split, boxes_of

COARSE = "multiorgan_3mm_nifti"
FINE = "ct_body_totalseg_20slice"
CT = FixedWindow(-160, 240)
MR = PercentileWindow(0.5, 99.5)
SMALLEST_SHARE = 1e-3
"""Least share of a slice that a region must cover; smaller ones are map residue."""

_NIFTI_DTYPES = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8"}

Volume = Shaped[np.ndarray, "slices rows columns"]


def read_organs(root: Path) -> list[Sample]:
    """Read all labelled slices below ``root``."""
    coarse = root / COARSE
    samples = []
    for name, modality, intensity in (("ct_abdomen", "CT", CT), ("mr_abdomen", "MR", MR)):
        image = read_nifti(coarse / f"{name}_3mm.nii.gz")
        organs = read_nifti(coarse / f"{name}_3mm_organs.nii.gz")
        samples += _slices(name, "train", modality, to_display(image, intensity), organs)
    hounsfield = _read_stack(root / FINE / "dicom")
    organs = read_nifti(root / FINE / "reference_seg_same_grid.nii.gz")
    return samples + _slices("ct_body", "val", "CT", to_display(hounsfield, CT), organs)


def read_nifti(path: Path) -> Volume:
    """Read a NIfTI volume as (slice, row, column) in the order of an axial DICOM stack.

    Columns run to the patient's left, rows to the back, slices to the head.

    Raises:
        ValueError: an unknown voxel type, or axes that are not along the patient's.
    Source: NIfTI-1 header, 40 (dim), 70 (datatype), 108 (vox_offset), 280 (srow).
    """
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, "<i2", 3, 42)
    code = int(np.frombuffer(content, "<i2", 1, 70)[0])
    if code not in _NIFTI_DTYPES:
        raise ValueError(f"{path.name}: NIfTI datatype {code}, expected {sorted(_NIFTI_DTYPES)}")
    affine = np.frombuffer(content, "<f4", 12, 280).reshape(3, 4)[:, :3].astype(np.float64)
    # Header extensions make the offset differ from file to file.
    offset = int(np.frombuffer(content, "<f4", 1, 108)[0])
    voxels = np.frombuffer(content, _NIFTI_DTYPES[code], int(shape.prod()), offset)
    return _axial(voxels.reshape(shape, order="F"), affine, path.name)


def _axial(voxels: Volume, affine: Float64[np.ndarray, "3 3"], name: str) -> Volume:
    if np.abs(affine - np.diag(np.diag(affine))).max() > 1e-3:
        raise ValueError(f"{name}: axes are oblique or permuted, expected an axial volume")
    # NIfTI counts to the right and the front; DICOM to the left and the back.
    steps = np.sign(np.diag(affine)) * np.array([-1, -1, 1])
    flipped = voxels[tuple(slice(None, None, int(step)) for step in steps)]
    return np.ascontiguousarray(flipped.transpose(2, 1, 0))


def _read_stack(folder: Path) -> Float64[np.ndarray, "slices rows columns"]:
    """Read an axial stack in HU, lowest slice first."""
    planes = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    planes.sort(key=lambda plane: float(plane.ImagePositionPatient[2]))
    return np.stack(
        [p.pixel_array * float(p.RescaleSlope) + float(p.RescaleIntercept) for p in planes]
    )


def _slices(
    name: str, split: Split, modality: str, image: UInt8[np.ndarray, "s r c"], organs: Volume
) -> list[Sample]:
    samples = []
    for index in range(len(image)):
        masks = _regions(organs[index])
        if masks:
            samples.append(
                Sample(
                    source="organs",
                    name=f"{name}_{index:03d}",
                    patient=name,
                    split=split,
                    modality=modality,
                    image=image[index],
                    masks=masks,
                    boxes=boxes_of(masks),
                )
            )
    return samples


def _regions(
    plane: Shaped[np.ndarray, "rows columns"],
) -> tuple[Bool[np.ndarray, "rows columns"], ...]:
    """Return each connected region of each organ that is large enough."""
    regions = []
    for organ in np.unique(plane[plane > 0]):
        islands, count = ndimage.label(plane == organ)
        regions += [islands == n for n in range(1, count + 1)]
    return tuple(r for r in regions if r.sum() >= SMALLEST_SHARE * plane.size)
