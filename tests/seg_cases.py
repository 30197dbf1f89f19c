"""Series with two lesions of known voxels, in several geometries."""

import numpy as np

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import FindingReport, Lesion, ModelIdentity
from lesionmap.models.core.intensity import PercentileWindow
from lesionmap.models.core.mask import Mask
from lesionmap.operators.dicom.codes import LESION, Code
from lesionmap.operators.dicom.gate import check_series, group_series
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import build_volume
from lesionmap.operators.dicom.scan import scan_folder
from lesionmap.operators.dicom.seg import build_seg
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.dicom.subject import Provenance, Subject
from lesionmap.operators.dicom.uids import derive_uid
from tests.dicom_series import ramp, write_series

RULE = Rule("test", (), "Lesion", LESION, Code("39607008", "SCT", "Lung"))
MODEL = ModelIdentity("model", "1.0.0", "ab" * 32, "int8", "onnxruntime")
PROVENANCE = Provenance("0.1.0", "cd" * 32)

OBLIQUE = tuple(np.round([0.8, 0.36, 0.48, -0.6, 0.48, 0.64], 10))
"""Orthonormal, turned about all three axes; the normal has a negative component."""

CASES = {
    "axial": {},
    "oblique": {"orientation": OBLIQUE},
    "sagittal": {"orientation": (0, 1, 0, 0, 0, -1)},
    "negated rows and columns": {"orientation": (-1, 0, 0, 0, -1, 0)},
    "single slice": {"slices": 1},
    "mr": {"modality": "MR"},
}


def load(folder):
    (series,) = group_series(scan_folder(folder, Limits()).instances)
    return build_volume(check_series(series, Limits()), gap_tolerance=0.01)


def write(folder, *, slices=7, modality="CT", **options):
    write_series(folder, ramp(slices), modality=modality, **options)
    return load(folder)


def lesion(volume, voxels, number):
    mask = Mask.crop(voxels, volume.grid)
    detection = Detection(Box2D(mask.origin[0], 1, 1, 4, 4), "lesion", 0.9 - 0.1 * number)
    uid = str(derive_uid("test lesion", str(number)))
    return Lesion("Lesion", detection.score, mask, (detection,), uid)


def report_on(volume):
    """Two lesions without any symmetry, on different slices, one of them with a gap."""
    shape = volume.grid.shape
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[: max(1, shape[0] // 2), 3:9, 5:17] = True
    first[0, 3:5, 5:11] = False
    second[-1, 15:20, 20:22] = True
    second[shape[0] // 3, 12:20, 25:31] = True
    lesions = (lesion(volume, first, 1), lesion(volume, second, 2))
    return FindingReport(lesions, (MODEL,))


def subject_of(series, report, volume=None, provenance=PROVENANCE):
    volume = volume or build_volume(series, gap_tolerance=0.01)[0]
    display = DisplayVolume(volume, PercentileWindow())
    return Subject(series, display, RULE, report, provenance)


def save(series, report, path):
    build_seg(subject_of(series, report)).save_as(path, enforce_file_format=True)
    return path
