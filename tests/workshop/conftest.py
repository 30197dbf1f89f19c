"""Tests of training, export and quantisation: only where torch is installed."""

from importlib.util import find_spec

# Without the workshop's environment these modules cannot even be imported.
collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]

if find_spec("torch"):
    from lesionmap.models.detection.networks.compatibility import declare_torchvision_operators

    # MONAI tries to import torchvision and swallows the failure; a second try in the same
    # process, by super-gradients, then finds it half imported. A command uses one of the two.
    declare_torchvision_operators()
