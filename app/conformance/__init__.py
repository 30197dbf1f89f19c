"""Whether a container image is a MONAI Application Package (MAP): any MAP, not only ours."""
