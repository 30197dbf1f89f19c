"""PyTorch networks of the detector (extra ``train``; never imported at run time)."""
