"""What differs between the CPU and the GPU image."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOLOSCAN_VERSION = "4.2.0"
"""Of holoscan-cu13, and of holoscan-cli, whose packager renders what `edits` adapts."""

UNUSED = ("cupy-cuda13x", "cuda-python", "cuda-bindings", "cuda-core", "cuda-pathfinder")
"""Dependencies of Holoscan and tritonclient that no import of ours reaches: half of the image."""


@dataclass(frozen=True)
class Profile:
    """One kind of MAP image.

    Attributes:
        name: what the command line calls it.
        base_image: what it stands on unless the caller names another.
        has_python: the base brings Python 3.11 or 3.12 with venv, so that none is installed.
        gpus: GPUs that pkg.json asks the platform for.
        platform_config: what pkg.json calls this kind of host.
        replaced: packages in whose place it has another build of the same version.
    """

    name: str
    base_image: str
    has_python: bool
    gpus: int
    platform_config: str
    replaced: Mapping[str, str] = field(default_factory=dict)


PROFILES = {
    "cpu": Profile(
        name="cpu",
        base_image="python:3.12-slim-bookworm",
        has_python=True,
        gpus=0,
        platform_config="cpu",
    ),
    # Ubuntu's Python 3.12 is installed by the packager's own steps; cuDNN is in the base.
    "gpu": Profile(
        name="gpu",
        base_image="nvcr.io/nvidia/cuda:13.0.0-cudnn-runtime-ubuntu24.04",
        has_python=False,
        gpus=1,
        platform_config="dgpu",
        replaced={"onnxruntime": "onnxruntime-gpu"},
    ),
}
