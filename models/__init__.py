"""Knows arrays and networks; nothing of DICOM or Holoscan."""
