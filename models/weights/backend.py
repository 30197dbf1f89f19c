"""ONNX Runtime sessions with explicit threads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from jaxtyping import Shaped

from lesionmap.models.core.errors import ModelError

BACKEND_NAME = "onnxruntime"


class OnnxModel:
    """One graph, loaded once and run on the CPU.

    Raises:
        ModelError: the file is missing or is not a graph that ONNX Runtime
            can load.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load the graph at ``path`` for ``threads`` threads."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no public base
            raise ModelError(
                f"{path.parent.name}/{path.name} is not a model that ONNX Runtime can load"
            ) from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def metadata(self) -> Mapping[str, str]:
        """The graph's own description: role, input size, thresholds."""
        properties: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return properties

    @property
    def input_shapes(self) -> Mapping[str, Sequence[Any]]:
        """Name and shape of every input; a dynamic extent is a string."""
        return {item.name: item.shape for item in self._session.get_inputs()}

    def run(self, feeds: Mapping[str, Shaped[np.ndarray, "..."]]) -> dict[str, Any]:
        """Run the graph and return its outputs by name."""
        outputs = self._session.run(self._outputs, dict(feeds))
        return dict(zip(self._outputs, outputs, strict=True))
