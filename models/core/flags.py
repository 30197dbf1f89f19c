"""What a reader should look at twice: quality flags of a finding or of a whole series."""

from enum import StrEnum


class Flag(StrEnum):
    """A doubt that travels with a result into every output; it never removes a finding."""

    TOO_MANY_FINDINGS = "too_many_findings"
    TOUCHES_EDGE = "touches_edge"
    TINY_COMPONENT = "tiny_component"
    LOW_SCORE = "low_score"
    PRECISIONS_DISAGREE = "precisions_disagree"

    @property
    def meaning(self) -> str:
        """The flag in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Flag.TOO_MANY_FINDINGS: "unusually many findings",
    Flag.TOUCHES_EDGE: "the mask touches the edge of the volume and may be cut off",
    Flag.TINY_COMPONENT: "a part of the mask is too small to be measured",
    Flag.LOW_SCORE: "low detector score",
    Flag.PRECISIONS_DISAGREE: "the INT8 and the fp32 models disagree",
}
