"""Tests of training, export and quantisation: only where torch is installed."""

from importlib.util import find_spec

# Without the workshop's environment these modules cannot even be imported.
collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
