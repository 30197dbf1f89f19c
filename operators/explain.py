"""What would become of each series, from headers alone: no model, no pixel, no output."""

from dataclasses import dataclass, replace

from lesionmap.models.core.errors import LesionMapError
from lesionmap.operators.dicom.gate import Series, check_series
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import place_series
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.messages import Candidate, Outcome, Selected
from lesionmap.operators.series_selector import select_series


@dataclass(frozen=True)
class Explainer:
    """The rules and limits of a run; ``owners`` as ``uid_owners`` returns it."""

    rules: tuple[Rule, ...]
    limits: Limits
    gap_tolerance: float
    owners: dict[str, set[str]]

    def explain(self, number: int, series: Series) -> Outcome:
        """Return the verdict that a run would give, short of decoding the pixels."""
        try:
            selected = select_series(Candidate(number, series), self.rules)
        except LesionMapError as error:
            return Outcome.refused(number, series, error)
        if isinstance(selected, Outcome):
            return selected
        return replace(self._place(selected), rule=selected.rule)

    def _place(self, selected: Selected) -> Outcome:
        number, series = selected.number, selected.series
        try:
            checked = check_series(series, self.limits, owners=self.owners)
            grid, _ = place_series(checked, self.gap_tolerance)
        except LesionMapError as error:
            return Outcome.refused(number, series, error)
        slices, rows, columns = grid.shape
        spacing = " × ".join(f"{step:.2f}" for step in grid.spacing)
        size = f"{slices} × {rows} × {columns}, {spacing} {grid.unit}"
        return Outcome(number, checked, "processed", message=size)
