"""Lesions to a DICOM Segmentation of type LABELMAP: one frame a slice, pixels hold numbers.

OHIF 3.13 hides the first lesion of such an object and shifts the colours of the
others: it stands beside the BINARY SEG, never in its place.
"""

import highdicom as hd
from pydicom.dataset import Dataset

from lesionmap.operators.dicom.seg import build_segmentation
from lesionmap.operators.dicom.subject import Subject


def build_labelmap(subject: Subject) -> Dataset:
    """Return the lesions as a Label Map Segmentation, with the segments of the SEG.

    Raises:
        OutputError: highdicom or the source headers do not allow it.

    Source: DICOM PS3.3, A.51 and C.8.20.2 (Segmentation Type LABELMAP).
    """
    return build_segmentation(subject, hd.seg.SegmentationTypeValues.LABELMAP, "labelmap")
