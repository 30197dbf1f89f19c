import shutil

import pytest

from lesionmap.models.core.errors import ModelError
from lesionmap.models.weights.catalog import Catalog, sha256_of, verify

LARGEST_TOTAL_BYTES = 60_000_000


def test_every_artifact_is_shipped_with_the_hash_of_the_catalog(store, repository):
    catalog = Catalog.load()
    assert {artifact.role for artifact in catalog.artifacts.values()} == {
        "detector",
        "encoder",
        "decoder",
    }
    for name, artifact in catalog.artifacts.items():
        verify(name, artifact, store)
        assert [path.name for path in (store / name).iterdir()] == [artifact.file]
        assert (repository / artifact.card).is_file()
        assert catalog.identify(name).sha256 == sha256_of(store / name / artifact.file)


def test_the_store_holds_nothing_else_and_stays_small(store):
    assert {path.name for path in store.iterdir()} == set(Catalog.load().artifacts)
    assert sum(path.stat().st_size for path in store.rglob("*.onnx")) < LARGEST_TOTAL_BYTES


def test_every_artifact_loads_in_its_role_and_in_no_other(store):
    catalog = Catalog.load()
    for name, artifact in catalog.artifacts.items():
        model = catalog.open(name, store, role=artifact.role)
        assert model.metadata["lesionmap.role"] == artifact.role
        wrong = "encoder" if artifact.role != "encoder" else "decoder"
        with pytest.raises(ModelError, match=artifact.role):
            catalog.open(name, store, role=wrong)


def test_an_altered_missing_or_unknown_model_is_refused(store, tmp_path):
    catalog = Catalog.load()
    name, artifact = next(iter(catalog.artifacts.items()))
    with pytest.raises(ModelError, match="not in the store"):
        catalog.open(name, tmp_path, role=artifact.role)
    shutil.copytree(store / name, tmp_path / name)
    with (tmp_path / name / artifact.file).open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelError, match="altered"):
        catalog.open(name, tmp_path, role=artifact.role)
    with pytest.raises(ModelError, match="it lists"):
        catalog.open("nonesuch", store, role="detector")


@pytest.mark.parametrize(
    "text",
    [
        "artifacts: {a: {file: ../../etc/passwd}}",
        "artifacts: 5",
        "{",
        "other: {}",
    ],
)
def test_a_broken_catalog_is_refused(text, tmp_path):
    path = tmp_path / "catalog.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match="catalog"):
        Catalog.load(path)


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "bad").mkdir()
    file = tmp_path / "bad" / "model.onnx"
    file.write_bytes(b"not a graph")
    listing = tmp_path / "catalog.yaml"
    listing.write_text(
        "artifacts: {bad: {file: model.onnx, role: encoder, version: 1.0.0, precision: int8, "
        f"sha256: '{sha256_of(file)}', licence: Apache-2.0, card: x}}}}"
    )
    with pytest.raises(ModelError, match="ONNX Runtime"):
        Catalog.load(listing).open("bad", tmp_path, role="encoder")
