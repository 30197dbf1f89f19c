"""Pure functions on DICOM: read, gate, geometry, pixels, SEG."""
