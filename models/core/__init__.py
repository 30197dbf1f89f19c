"""The types that everything else shares."""
