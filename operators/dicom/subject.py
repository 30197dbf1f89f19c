"""What every DICOM output of a series is made from."""

from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import FindingReport
from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.dicom.selection import Rule


@dataclass(frozen=True)
class Provenance:
    """What, beside the input, decides an output: it ends in UIDs and in the header.

    ``code_sha256`` is over the installed sources; ``packages`` are name and
    version of the libraries that decide outputs.
    """

    software_version: str
    settings_digest: str
    code_sha256: str = ""
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Subject:
    """A series as read, what was found in it, and with what.

    ``seg`` is the SEG that holds the lesions, None before it is built and
    where nothing was found: the other outputs refer to it.
    """

    series: Series
    display: DisplayVolume
    rule: Rule
    report: FindingReport
    provenance: Provenance
    seg: Dataset | None = None

    def with_seg(self, seg: Dataset) -> "Subject":
        """Return the subject with its SEG."""
        return replace(self, seg=seg)

    @property
    def written_seg(self) -> Dataset:
        """The SEG; ValueError where nothing was found."""
        if self.seg is None:
            raise ValueError("there is no SEG to refer to")
        return self.seg
