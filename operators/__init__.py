"""Knows DICOM and Holoscan; nothing of training."""
