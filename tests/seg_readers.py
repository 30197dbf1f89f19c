"""Read a SEG with programs that are not ours: dcmqi and dciodvfy."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def read_with_dcmqi(path, folder):
    """Return (voxels, affine to LPS) of each segment, by dcmqi's converter."""
    folder.mkdir(parents=True)
    tool = Path(sys.executable).parent / "segimage2itkimage"
    subprocess.run(
        [tool, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd"],
        check=True,
        capture_output=True,
    )
    meta = json.loads((folder / "meta.json").read_text())
    segments = sum(len(group) for group in meta["segmentAttributes"])
    return [read_nrrd(folder / f"{number}.nrrd", number) for number in range(1, segments + 1)]


def read_nrrd(path, number):
    head, body = path.read_bytes().split(b"\n\n", 1)
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    body = gzip.decompress(body) if fields["encoding"] == "gzip" else body
    sizes = [int(size) for size in fields["sizes"].split()]
    kinds = {"short": "<i2", "unsigned char": "u1", "unsigned short": "<u2"}
    voxels = np.frombuffer(body, kinds[fields["type"]]).reshape(sizes[::-1]).transpose(2, 1, 0)
    columns = [
        [float(value) for value in vector.strip("()").split(",")]
        for vector in fields["space directions"].split()
    ]
    affine = np.eye(4)
    affine[:3, :3] = np.array(columns).T
    affine[:3, 3] = [float(value) for value in fields["space origin"].strip("()").split(",")]
    return voxels == number if (voxels == number).any() else voxels > 0, affine


FAULTS_OF_THE_SOURCE = {
    "Retired Person Name form": "a name of one component, carried as it came",
    "needed to build DICOMDIR": "the source has no patient ID, study ID, date or time to carry",
    "only permitted to be empty when actually unknown": "the side of a capture, and it is unknown",
}
"""Warnings of dciodvfy that only an invented value would silence, and why they stand."""


def dciodvfy_errors(path, *, allowed=()):
    """Return the errors and warnings that dciodvfy finds in a DICOM file."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    found = [line for line in lines if line.startswith(("Error", "Warning"))]
    return [line for line in found if not any(text in line for text in allowed)]
