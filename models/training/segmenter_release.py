"""From the end of a training run to the checkpoint that is kept."""

from pathlib import Path
from shutil import copyfile

from safetensors.torch import load_file

from lesionmap.models.segmentation.networks.checkpoint import save_checkpoint
from lesionmap.models.training.segmenter_config import SegmenterTraining

LICENCE = "CC-BY-4.0"


def release_checkpoint(work: Path, name: str, checkpoints: Path, papers: Path) -> Path:
    """Keep the weights of a finished run in half precision, and its settings and log.

    Args:
        work: the folder that ``train`` filled.
        name: of the model.
        checkpoints: receives ``<name>.safetensors``.
        papers: receives ``<name>/config.json`` and ``<name>/log.csv``.
    """
    config = SegmenterTraining.read(work / "config.json")
    notes = {"lesionmap.seed": str(config.seed), "lesionmap.licence": LICENCE}
    folder = papers / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "log.csv"):
        copyfile(work / file, folder / file)
    weights = load_file(work / "weights.safetensors")
    return save_checkpoint(weights, config.shape, checkpoints / f"{name}.safetensors", notes)
