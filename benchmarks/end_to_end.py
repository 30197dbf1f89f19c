"""Seconds and peak memory of the whole app on a 300 × 512² CT phantom with five lesions.

    python benchmarks/end_to_end.py [--fp32 .cache/fp32] [--rounds 3]

Each run is a process of its own. With ``--fp32``, the folder where `lesionmap quantize`
keeps the graphs before INT8, the two precisions take turns and the ratio of their
medians is printed, so that a busy machine slows both.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from lesionmap.app.batch import run_batch
from lesionmap.app.settings import Folders, default_store
from lesionmap.models.core.phantoms import draw_chest_ct
from lesionmap.models.weights.catalog import Artifact, Catalog, sha256_of
from lesionmap.operators.dicom.sample import write_phantom

SLICES, SIDE, LESIONS = 300, 512, 5


def main() -> None:
    """Draw the phantom, run the variants in turn, print the table."""
    options = _parse()
    if options.child:
        _run_once(Path(options.child[0]), Path(options.child[1]), Path(options.child[2]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        stores = {"int8": default_store()}
        if options.fp32:
            stores["fp32"] = _float_store(options.fp32, Path(scratch, "store"))
        source = Path(scratch, "in")
        write_phantom(draw_chest_ct(slices=SLICES, side=SIDE, lesions=LESIONS), source)
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in stores}
        for _ in range(options.rounds):
            for name, store in stores.items():
                runs[name].append(_spawn(source, Path(scratch, name), store))
    _print_table(runs)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fp32", type=Path, help="where `lesionmap quantize` keeps fp32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def _float_store(floats: Path, store: Path) -> Path:
    """Arrange the graphs before INT8 under the names that app.yaml asks for."""
    for name, artifact in Catalog.load().artifacts.items():
        parent = name.removesuffix(f"-{artifact.role}-int8")
        file = "model-fp32.onnx" if artifact.role == "detector" else f"{artifact.role}.onnx"
        (store / name).mkdir(parents=True)
        (store / name / artifact.file).symlink_to((floats / parent / file).resolve())
    return store


def _spawn(source: Path, target: Path, store: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", str(source), str(target), str(store)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _run_once(source: Path, target: Path, store: Path) -> None:
    record = run_batch(Folders(source, target, store), catalog=_catalog_of(store))
    (series,) = record.series
    seconds = {stage: spent / 1e3 for stage, spent in series.timings_ms.items()}
    seconds["total"] = record.timings_ms["total"] / 1e3
    seconds["peak MiB"] = _peak_mib()
    seconds["lesions"] = len(series.lesions)
    print(json.dumps(seconds))


def _peak_mib() -> float:
    """Return this process's peak memory; getrusage would report that of the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _catalog_of(store: Path) -> Catalog:
    """Return the shipped catalog with the hashes that the files in ``store`` have."""
    entries: dict[str, Artifact] = {}
    for name, artifact in Catalog.load().artifacts.items():
        path = store / name / artifact.file
        entries[name] = artifact.model_copy(update={"sha256": sha256_of(path)})
    return Catalog(artifacts=entries)


def _print_table(runs: dict[str, list[dict[str, float]]]) -> None:
    print(f"{SLICES} × {SIDE}² CT phantom, {LESIONS} lesions; {os.cpu_count()} cores, ", end="")
    print(f"{platform.machine()}, Python {platform.python_version()}; medians")
    names = list(runs)
    print(
        f"{'':<10}"
        + "".join(f"{name:>10}" for name in names)
        + ("fp32/int8" if len(names) > 1 else "").rjust(12)
    )
    for key in runs[names[0]][0]:
        medians = [statistics.median(run[key] for run in runs[name]) for name in names]
        ratio = f"{medians[1] / medians[0]:>12.2f}" if len(medians) > 1 and medians[0] else ""
        print(f"{key:<10}" + "".join(f"{value:>10.2f}" for value in medians) + ratio)


if __name__ == "__main__":
    main()
