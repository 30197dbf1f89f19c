"""What a reader should look at twice: quality flags of a finding or of a whole series."""

from enum import StrEnum


class Flag(StrEnum):
    """A doubt that travels with a result into every output; it never removes a finding."""

    TOO_MANY_FINDINGS = "too_many_findings"
    TOUCHES_EDGE = "touches_edge"
    TINY_COMPONENT = "tiny_component"
    LOW_SCORE = "low_score"
    PRECISIONS_DISAGREE = "precisions_disagree"
