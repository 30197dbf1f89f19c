"""What is kept of a training run: its checkpoint, settings and log."""

from pathlib import Path
from shutil import copyfile

from lesionmap.models.training.segmenter_config import SegmenterTraining


def release_checkpoint(work: Path, checkpoints: Path, papers: Path) -> Path:
    """Copy the results of a finished run to where releases are kept.

    Args:
        work: the folder that ``train`` filled.
        checkpoints: receives ``<name>.safetensors``.
        papers: receives ``<name>/config.json`` and ``<name>/log.csv``.
    """
    name = SegmenterTraining.read(work / "config.json").name
    folder = papers / name
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.mkdir(parents=True, exist_ok=True)
    for file in ("config.json", "log.csv"):
        copyfile(work / file, folder / file)
    return Path(copyfile(work / f"{name}.safetensors", checkpoints / f"{name}.safetensors"))
