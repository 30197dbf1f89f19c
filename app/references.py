"""The graphs before INT8 that `verify` compares results with."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from lesionmap.app.settings import Settings, VerifySettings
from lesionmap.models.core.errors import ModelError, SettingsError
from lesionmap.models.core.finding import ModelIdentity
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.segmentation.agreement import Reference
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.models.weights.backend import BACKEND_NAME, OnnxModel
from lesionmap.models.weights.catalog import Catalog, sha256_of
from lesionmap.models.weights.names import ModelNames
from lesionmap.operators.precision_verifier import References

NO_REFERENCE = "verify.references names no graph for the model '{}'"


@dataclass(frozen=True)
class LoadedReferences:
    """References by the models they stand for, and what run.json says of them."""

    sets: References
    identities: tuple[ModelIdentity, ...]


def load_references(
    settings: Settings, wanted: Iterable[ModelNames | None], catalog: Catalog
) -> LoadedReferences:
    """Verify and load the reference of each set of models; none where not asked for.

    Raises:
        SettingsError: a model has no reference.
        ModelError: a reference is missing, altered, or of another role.
    """
    if settings.verify is None:
        return LoadedReferences({}, ())
    verify, sets = settings.verify, [names for names in wanted if names]
    names = dict.fromkeys(name for chosen in sets for name in astuple(chosen))
    graphs = {name: _open(name, verify, settings.threads) for name in names}
    references: References = {
        chosen: Reference(
            LesionDetector(graphs[chosen.detector]),
            BoxSegmenter(graphs[chosen.encoder], graphs[chosen.decoder]),
        )
        for chosen in sets
    }
    return LoadedReferences(references, tuple(_identify(name, verify, catalog) for name in names))


def _open(name: str, verify: VerifySettings, threads: int) -> OnnxModel:
    pinned = verify.references.get(name)
    if pinned is None:
        raise SettingsError(NO_REFERENCE.format(name))
    if not pinned.file.is_file():
        raise ModelError(f"the reference of model '{name}' is missing: see verify in app.yaml")
    if sha256_of(pinned.file) != pinned.sha256:
        raise ModelError(f"the reference of model '{name}' differs from its sha256 in app.yaml")
    return OnnxModel(pinned.file, threads)


def _identify(name: str, verify: VerifySettings, catalog: Catalog) -> ModelIdentity:
    return ModelIdentity(
        name=f"reference of {name}",
        version=catalog.find(name).version,
        sha256=verify.references[name].sha256,
        precision="fp32",
        backend=BACKEND_NAME,
    )
