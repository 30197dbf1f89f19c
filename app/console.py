"""What people see: a progress bar while it runs, a table and the files at the end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lesionmap.operators.messages import Outcome
from lesionmap.operators.run_record import REPORT_HTML, RUN_JSON, RunRecord, SeriesRecord


class ProgressBar:
    """Shows the series and, below it, the stage that is under way."""

    def __init__(self, console: Console) -> None:
        """Draw on ``console``."""
        self._progress = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._series = self._progress.add_task("series", total=None)
        self._stage = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> "ProgressBar":
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the bars."""
        self._progress.stop()

    def on_series(self, number: int, total: int, description: str) -> None:
        """Show that a series begins."""
        self._progress.update(
            self._series, description=escape(description), completed=number - 1, total=total
        )

    def on_step(self, stage: str, done: int, total: int) -> None:
        """Show how far the stage is."""
        self._progress.update(
            self._stage, description=f"  {stage}", completed=done, total=total, visible=True
        )


def print_summary(console: Console, record: RunRecord, target: Path) -> None:
    """Print a table of series, the reason of each refusal, and where the files are."""
    if record.series:
        console.print(_table(record))
    for item in record.series:
        if item.reason:
            console.print(
                f"series {item.number} {item.verdict} (code {item.reason.code}): "
                f"{escape(item.reason.message)}",
                highlight=False,
            )
    if record.reason:
        console.print(f"[red]{escape(record.reason.message)}[/red]", highlight=False)
    for item in record.series:
        for output in item.outputs:
            console.print(f"{output.kind:>8}  {target / output.path}", highlight=False)
    if (target / REPORT_HTML).is_file():
        console.print(f"{'page':>8}  {target / REPORT_HTML}", highlight=False, soft_wrap=True)
    console.print(f"{'receipt':>8}  {target / RUN_JSON}", highlight=False, soft_wrap=True)


def print_explanation(
    console: Console, outcomes: Sequence[Outcome], left_aside: Mapping[str, int]
) -> None:
    """Print the verdict on each series and why, and what else lies in the folder."""
    table = Table("series", "modality", "images", "verdict", "rule", "why")
    for item in outcomes:
        table.add_row(
            str(item.number),
            escape(str(item.series.header.Modality)),
            str(len(item.series.instances)),
            item.verdict if item.verdict != "refused" else f"refused ({item.code.value})",
            item.rule.name if item.rule else "",
            escape(item.message),
        )
    console.print(table)
    chosen = {item.rule.name: item.rule.models for item in outcomes if item.rule}
    for name, models in chosen.items():
        console.print(f"rule {name}: {models}", highlight=False, soft_wrap=True)
    for reason, count in left_aside.items():
        console.print(f"left aside: {count} {reason.replace('_', ' ')}", highlight=False)


def explanation_json(outcomes: Sequence[Outcome], left_aside: Mapping[str, int]) -> str:
    """Return what ``print_explanation`` prints as JSON, with the series' UIDs."""
    series = [
        {
            "number": item.number,
            "series_instance_uid": item.series.uid,
            "modality": str(item.series.header.Modality),
            "instance_count": len(item.series.instances),
            "verdict": item.verdict,
            "code": item.code.value,
            "why": item.message,
            "rule": item.rule.name if item.rule else None,
            "models": asdict(item.rule.models) if item.rule and item.rule.models else None,
        }
        for item in outcomes
    ]
    return json.dumps({"series": series, "left_aside": dict(left_aside)}, indent=2)


def _table(record: RunRecord) -> Table:
    table = Table(title=f"LesionMAP {record.software_version}: AI, not for diagnostic use")
    for heading in ("series", "modality", "images", "verdict", "lesions", "largest", "seconds"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for item in record.series:
        table.add_row(
            str(item.number),
            escape(item.modality),
            str(item.instance_count),
            item.verdict,
            str(len(item.lesions)) if item.verdict == "processed" else "",
            _largest(item),
            f"{sum(item.timings_ms.values()) / 1e3:.1f}",
        )
    return table


def _largest(item: SeriesRecord) -> str:
    axes = [lesion.long_axis_mm for lesion in item.lesions if lesion.long_axis_mm is not None]
    return f"{max(axes):.1f} mm" if axes else ""
