"""Real series through `python app` with the shipped models."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.dicom_series import write_series
from tests.seg_readers import FAULTS_OF_THE_SOURCE, dciodvfy_errors, read_with_dcmqi

pytestmark = pytest.mark.data


def run_app(source, target, repository, store):
    done = subprocess.run(
        [sys.executable, "app", "-i", source, "-o", target, "-m", store],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert "Traceback" not in done.stderr
    record = json.loads((target / "run.json").read_text())
    assert record["exit_code"] == done.returncode
    return record


def check_outputs(record, target, tmp_path):
    """Every SEG passes the independent readers and agrees with run.json."""
    for series in record["series"]:
        segs = [item["path"] for item in series["outputs"] if item["kind"] == "seg"]
        assert bool(segs) == bool(series["lesions"])
        for item in series["outputs"]:
            if item["kind"] == "report":
                path = target / item["path"]
                assert dciodvfy_errors(path, allowed=FAULTS_OF_THE_SOURCE) == []
        for path in segs:
            seg = pydicom.dcmread(target / path)
            assert dciodvfy_errors(target / path, allowed=FAULTS_OF_THE_SOURCE) == []
            assert len(seg.SegmentSequence) == len(series["lesions"])
            total = sum(lesion["voxel_count"] for lesion in series["lesions"])
            assert int(seg.pixel_array.sum()) == total
            if "PlanePositionSequence" in seg.PerFrameFunctionalGroupsSequence[0]:
                folder = tmp_path / f"dcmqi-{series['number']}"
                blocks = read_with_dcmqi(target / path, folder)
                found = [int(block.sum()) for block, _ in blocks]
                assert sorted(found) == sorted(item["voxel_count"] for item in series["lesions"])


CASES = {
    "ct_chest_lung_tumour_A0001/dicom": ["CT"],
    "mr_brain_glioma_ReMIND022_t1c_seg": ["MR"],
    "mr_brain_sagittal_HFS": ["MR"],
    "ct_tiny_17slice": ["CT"],
    "ct_mr_sarcoma_sts_rtstruct": ["CT", "MR"] * 7,
}


@pytest.mark.parametrize("folder", CASES)
def test_a_real_series_is_processed(folder, shared_images, tmp_path, repository, store):
    target = tmp_path / "out"
    record = run_app(shared_images / folder, target, repository, store)
    assert record["exit_code"] == 0
    assert sorted(series["modality"] for series in record["series"]) == sorted(CASES[folder])
    assert {series["verdict"] for series in record["series"]} == {"processed"}
    check_outputs(record, target, tmp_path)


@pytest.mark.parametrize("folder", ["us_multiframe", "enhanced_multiframe_a"])
def test_multi_frame_objects_are_skipped_with_a_reason(
    folder, shared_images, tmp_path, repository, store
):
    record = run_app(shared_images / folder, tmp_path / "out", repository, store)
    skipped = [item for item in record["series"] if item["verdict"] == "skipped"]
    assert skipped
    assert all("multi-frame" in item["reason"]["message"] for item in skipped)


IMAGES = {
    "lesion_breast_us_masks": ("US", "benign_"),
    "lesion_brain_mr_t1c": ("MR", "meningioma_"),
    "lesion_polyps_endoscopy": ("ES", ""),
}


@pytest.mark.parametrize("folder", IMAGES)
def test_the_lesion_of_a_real_image_is_found_and_outlined(
    folder, shared_images, tmp_path, repository, store
):
    """Three validation images wrapped as DICOM; on most of them the mask must overlap."""
    modality, prefix = IMAGES[folder]
    items = json.loads((shared_images / folder / "manifest.json").read_text())["items"]
    chosen = [
        item
        for item in items
        if item["split"] == "val" and Path(item["image"]).name.startswith(prefix)
    ][:3]
    overlaps = []
    for number, item in enumerate(chosen):
        grey = modality != "ES"
        image = np.asarray(
            Image.open(shared_images / folder / item["image"]).convert("L" if grey else "RGB")
        )
        reference = np.asarray(Image.open(shared_images / folder / item["mask"]).convert("L")) > 127
        source, target = tmp_path / f"in{number}", tmp_path / f"out{number}"
        write_series(source, image[None], modality=modality, key=f"image {number}")
        record = run_app(source, target, repository, store)
        assert record["exit_code"] == 0
        check_outputs(record, target, tmp_path / f"check{number}")
        overlaps.append(_dice(record, target, reference))
    assert max(overlaps) > 0.6, overlaps


def _dice(record, target, reference):
    found = np.zeros(reference.shape, bool)
    for output in record["series"][0]["outputs"]:
        if output["kind"] == "seg":
            frames = pydicom.dcmread(target / output["path"]).pixel_array
            found |= frames.reshape(-1, *reference.shape).any(axis=0)
    return 2 * (found & reference).sum() / max(1, found.sum() + reference.sum())


def test_a_second_run_in_another_process_gives_the_same_bytes(
    shared_images, tmp_path, repository, store
):
    source = shared_images / "mr_brain_sagittal_HFS"
    first = run_app(source, tmp_path / "a", repository, store)
    second = run_app(source, tmp_path / "b", repository, store)
    hashes = [[item["outputs"] for item in record["series"]] for record in (first, second)]
    assert hashes[0] == hashes[1]
