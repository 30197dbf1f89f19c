"""Subjects with a SEG, in every geometry of the SEG cases and without one."""

import numpy as np

from lesionmap.models.core.finding import FindingReport
from lesionmap.operators.dicom.seg import build_seg
from tests.dicom_series import ramp, write_series
from tests.seg_cases import CASES as PLACED
from tests.seg_cases import MODEL, lesion, load, report_on, subject_of, write

UNPLACED = ("ultrasound", "colour")
CASES = (*PLACED, *UNPLACED)


def write_case(folder, case="axial", edit=None):
    """Write a series and return its volume and the series."""
    if case == "ultrasound":
        write_series(folder, ramp(1, dtype=np.uint8), modality="US", edit=edit)
    elif case == "colour":
        write_series(folder, np.zeros((1, 24, 32, 3), np.uint8), modality="ES", edit=edit)
    else:
        return write(folder, edit=edit, **PLACED[case])
    return load(folder)


def subject(folder, case="axial", edit=None):
    """Return a subject with two lesions and their SEG."""
    volume, series = write_case(folder, case, edit)
    return with_seg(subject_of(series, report_on(volume), volume))


def ring_subject(folder, case="axial"):
    """Return a subject with one lesion that has holes, an island in one, and corners that touch."""
    volume, series = write_case(folder, case)
    plane = np.zeros(volume.grid.shape[1:], bool)
    plane[2:20, 3:25] = True
    plane[6:12, 8:15] = plane[14:16, 5:7] = plane[12, 15:17] = False
    plane[8:10, 10:12] = plane[20, 25] = True
    voxels = np.zeros(volume.grid.shape, bool)
    voxels[:2], voxels[-1] = plane, plane[:, ::-1]
    report = FindingReport((lesion(volume, voxels, 1),), (MODEL,))
    return with_seg(subject_of(series, report, volume))


def with_seg(bare):
    return bare.with_seg(build_seg(bare))


def save(dataset, path):
    dataset.save_as(path, enforce_file_format=True)
    return path
