"""Make super-gradients 3.7.1 importable beside today's torch and NumPy.

Call ``load_super_gradients`` before any other import of super-gradients. Three
things stand in the way: torchvision from PyPI looks for a CUDA library beside a CPU
torch, NumPy 2 dropped aliases that super-gradients reads, and super-gradients
replaces ``sys.stdout`` and writes its logs to the home folder when it is imported.
"""

import contextlib
import importlib
import io
import os
import sys
import tempfile
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import torch

_NUMPY_ALIASES = {
    "Inf": np.inf,
    "NaN": np.nan,
    "float_": np.float64,
    "product": np.prod,
    "bool8": np.bool_,
}
# torch.library forgets an operator when its Library object is collected.
_KEPT_LIBRARIES: list[torch.library.Library] = []


def load_super_gradients(name: str) -> ModuleType:
    """Import ``super_gradients.<name>`` without its side effects.

    ``sys.stdout`` is put back, and log files go to the temporary folder.
    """
    os.environ.setdefault("CRASH_HANDLER", "FALSE")
    os.environ.setdefault("SUPER_GRADIENTS_LOG_DIR", tempfile.gettempdir())
    declare_torchvision_operators()
    for alias, value in _NUMPY_ALIASES.items():
        if not hasattr(np, alias):
            setattr(np, alias, value)
    # Leaving redirect_stdout also puts back the stream that super-gradients replaced.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return importlib.import_module(f"super_gradients.{name}")


def declare_torchvision_operators() -> None:
    """Declare the operators that torchvision registers fake kernels for on import.

    Only their names are needed: neither training nor export calls them, because our
    suppression runs in NumPy.
    """
    if "torchvision" not in sys.modules and not _has_nms():
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT_LIBRARIES.append(library)
    extension: Any = importlib.import_module("torchvision.extension")
    extension._has_ops = lambda: True


def _has_nms() -> bool:
    try:
        return torch.ops.torchvision.nms is not None
    except AttributeError:
        return False
