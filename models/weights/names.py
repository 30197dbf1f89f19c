"""Which artifacts work together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelNames:
    """The artifacts that a series goes through, by their names in the catalog."""

    detector: str
    encoder: str
    decoder: str

    def __str__(self) -> str:
        """Return the names in the order of their work."""
        return f"{self.detector}, {self.encoder}, {self.decoder}"
