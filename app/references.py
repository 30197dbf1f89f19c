"""The graphs before INT8 that `verify` compares results with."""

from dataclasses import dataclass

from lesionmap.app.settings import Settings
from lesionmap.models.core.errors import ModelError, SettingsError
from lesionmap.models.core.finding import ModelIdentity
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.segmentation.agreement import Reference
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.models.weights.backend import BACKEND_NAME, OnnxModel
from lesionmap.models.weights.catalog import Catalog, sha256_of
from lesionmap.operators.precision_verifier import References

NO_REFERENCE = "verify.references names no graph for the model '{}'"


@dataclass(frozen=True)
class LoadedReferences:
    """References by the models they stand for, and what run.json says of them."""

    sets: References
    identities: tuple[ModelIdentity, ...]


def load_references(settings: Settings, catalog: Catalog) -> LoadedReferences:
    """Verify and load the reference of each model that takes part; none where not asked for.

    Raises:
        SettingsError: a model has no reference.
        ModelError: a reference is missing, altered, or of another role.
    """
    if settings.verify is None:
        return LoadedReferences({}, ())
    models = settings.models
    names = (models.detector, models.encoder, models.decoder)
    detector, encoder, decoder = (_open(name, settings) for name in names)
    reference = Reference(LesionDetector(detector), BoxSegmenter(encoder, decoder))
    identities = tuple(_identify(name, settings, catalog) for name in names)
    return LoadedReferences({names: reference}, identities)


def _open(name: str, settings: Settings) -> OnnxModel:
    assert settings.verify is not None
    pinned = settings.verify.references.get(name)
    if pinned is None:
        raise SettingsError(NO_REFERENCE.format(name))
    if not pinned.file.is_file():
        raise ModelError(f"the reference of model '{name}' is missing: see verify in app.yaml")
    if sha256_of(pinned.file) != pinned.sha256:
        raise ModelError(f"the reference of model '{name}' differs from its sha256 in app.yaml")
    return OnnxModel(pinned.file, settings.threads)


def _identify(name: str, settings: Settings, catalog: Catalog) -> ModelIdentity:
    assert settings.verify is not None
    return ModelIdentity(
        name=f"reference of {name}",
        version=catalog.find(name).version,
        sha256=settings.verify.references[name].sha256,
        precision="fp32",
        backend=BACKEND_NAME,
    )
