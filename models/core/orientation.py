"""Letters for directions in the patient: which side of a picture is left, posterior, head."""

import numpy as np
from jaxtyping import Float64

_TOWARDS = ("L", "P", "H")
_AWAY = ("R", "A", "F")
_LEAST_COSINE = 0.3
"""A direction that leans less than 17 degrees to a second axis is named by the first alone."""


def direction_letters(direction: Float64[np.ndarray, " 3"]) -> str:
    """Return the letters of a direction in the LPS frame, the nearest axis first.

    Source: DICOM PS3.3, C.7.6.1.1.1 (Patient Orientation), with H and F for head and feet.
    """
    cosines = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(cosines), kind="stable")
    return "".join(
        _TOWARDS[axis] if cosines[axis] > 0 else _AWAY[axis]
        for axis in order
        if abs(cosines[axis]) >= _LEAST_COSINE
    )


def edge_letters(
    across: Float64[np.ndarray, " 3"], down: Float64[np.ndarray, " 3"]
) -> tuple[str, str, str, str]:
    """Return the letters of the left, top, right and bottom edge of a picture.

    ``across`` and ``down`` are where its columns and its rows run to in the patient.
    """
    return (
        direction_letters(-across),
        direction_letters(-down),
        direction_letters(across),
        direction_letters(down),
    )
