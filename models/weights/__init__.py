"""Model artifacts: the catalog, their hashes, loading them."""
