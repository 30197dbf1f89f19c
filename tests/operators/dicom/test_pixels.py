"""Modality units come out exactly, whatever the encoding."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lesionmap.models.core.errors import GeometryError
from lesionmap.operators.dicom.gate import check_series, group_series
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import build_volume
from lesionmap.operators.dicom.scan import scan_folder
from tests.dicom_series import ramp, write_series

ENCODERS = {RLELossless: "pylibjpeg", JPEG2000Lossless: "pylibjpeg", JPEGLSLossless: "pyjpegls"}


def load(folder):
    (series,) = group_series(scan_folder(folder, Limits()).instances)
    return build_volume(check_series(series, Limits()), gap_tolerance=0.01)[0]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_lossless_compression_changes_nothing(syntax, dtype, tmp_path):
    if dtype is np.int16 and syntax == JPEGLSLossless:
        pytest.skip("the encoder does not write signed JPEG-LS; the decoder is tested on real data")
    voxels = (ramp(3, 33, 47, np.int64) % 250).astype(dtype)
    for path in write_series(tmp_path, voxels, modality="MR"):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, encoding_plugin=ENCODERS[syntax], generate_instance_uid=False)
        dataset.save_as(path)
    assert np.array_equal(load(tmp_path).voxels, voxels)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_native_encodings_change_nothing(syntax, tmp_path):
    voxels = ramp(3)
    for path in write_series(tmp_path, voxels):
        dataset = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset._read_implicit = dataset._read_little = None
        pydicom.dcmwrite(
            path,
            dataset,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            force_encoding=True,
        )
    assert np.array_equal(load(tmp_path).voxels, voxels)


def test_hounsfield_units_stay_whole_numbers(tmp_path):
    def rescale(_, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.BitsStored = 1, -1024, 12

    voxels = ramp(3, dtype=np.uint16)
    write_series(tmp_path, voxels, edit=rescale)
    volume = load(tmp_path)
    assert volume.voxels.dtype == np.int16
    assert np.array_equal(volume.voxels, voxels.astype(int) - 1024)


def test_each_slice_has_its_own_slope(tmp_path):
    def rescale(index, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.25 * (index + 1), 0
        dataset.Units = "BQML"

    voxels = ramp(3, dtype=np.uint16)
    write_series(tmp_path, voxels, modality="PT", edit=rescale)
    wanted = voxels * np.array([0.25, 0.5, 0.75])[:, None, None]
    assert np.allclose(load(tmp_path).voxels, wanted)


def spoil_thickness(folder):
    for path in folder.iterdir():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"\x50\x00DS\x04\x002.0 ", b"\x50\x00DS\x04\x002,0 "))


def test_a_malformed_thickness_counts_only_where_it_is_needed(tmp_path):
    for slices in (1, 3):
        write_series(tmp_path / str(slices), ramp(slices))
        spoil_thickness(tmp_path / str(slices))
    assert load(tmp_path / "3").grid.spacing[0] == pytest.approx(2.0)
    with pytest.raises(GeometryError, match="Thickness"):
        load(tmp_path / "1")


def test_monochrome1_is_marked_and_not_inverted(tmp_path):
    voxels = ramp(1, dtype=np.uint16)
    edit = lambda _, dataset: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1")  # noqa: E731
    write_series(tmp_path, voxels, modality="DX", edit=edit)
    volume = load(tmp_path)
    assert volume.low_is_white
    assert np.array_equal(volume.voxels, voxels)


def test_colour_stays_colour(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 256, (1, 20, 30, 3), np.uint8)
    write_series(tmp_path, voxels, modality="ES")
    volume = load(tmp_path)
    assert volume.is_colour
    assert np.array_equal(volume.voxels, voxels)


def test_a_reversed_and_shuffled_series_is_the_same_volume(tmp_path):
    voxels = ramp(4)
    paths = write_series(tmp_path, voxels)
    for path, name in zip(paths, ("c", "a", "d", "b"), strict=True):
        path.rename(tmp_path / name)
    assert np.array_equal(load(tmp_path).voxels, voxels)


@pytest.mark.data
@pytest.mark.parametrize("name", ["mr_j2k_lossless", "mr_jpeg_lossless_sv1", "mr_jpegls"])
def test_one_real_image_is_the_same_in_every_encoding(name, shared_images, tmp_path):
    volumes = []
    for folder in (name, "mr_rle"):
        (tmp_path / folder).mkdir()
        for path in sorted((shared_images / "mr_ct_vendor_stubs" / folder).iterdir()):
            dataset = pydicom.dcmread(path)
            dataset.FrameOfReferenceUID = "1.2.3"  # anonymisation removed it
            dataset.save_as(tmp_path / folder / path.name)
        volumes.append(load(tmp_path / folder))
    assert np.array_equal(volumes[0].voxels, volumes[1].voxels)
    assert volumes[0].grid == volumes[1].grid
