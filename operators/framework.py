"""MONAI Deploy's building blocks, importable on a host without a GPU.

Holoscan needs no GPU but links to libcudart, which only GPU hosts have. The
``nvidia-cuda-runtime`` package brings it; loading it first makes the import
work. Import Application, Operator and the rest from here, never directly.
"""

import ctypes
import logging
import os
import warnings
from importlib.metadata import PackageNotFoundError, files

from lesionmap.models.core.errors import SettingsError

_CUDA_RUNTIME = "nvidia-cuda-runtime"


def _load_cuda_runtime() -> None:
    try:
        found = [file for file in files(_CUDA_RUNTIME) or () if "libcudart.so" in file.name]
    except PackageNotFoundError:
        return
    for file in found:
        ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)


os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")
try:
    _load_cuda_runtime()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from holoscan.conditions import CountCondition
        from monai.deploy.core import AppContext, Application, Operator, OperatorSpec
except (ImportError, OSError) as error:
    raise SettingsError(
        f"Holoscan cannot be loaded ({error}): install what requirements.txt lists, "
        f"{_CUDA_RUNTIME} among it"
    ) from error

logging.getLogger("monai").setLevel(logging.WARNING)

__all__ = ["AppContext", "Application", "CountCondition", "Operator", "OperatorSpec"]
