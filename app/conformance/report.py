"""Findings for people and for programs."""

import json
from collections import Counter
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lesionmap.app.conformance.check import Finding, Verdict
from lesionmap.app.conformance.examine import conforms

_COLOURS = {
    Verdict.OK: "green",
    Verdict.FAILED: "bold red",
    Verdict.WARNING: "yellow",
    Verdict.NOT_CHECKED: "dim",
}


def print_findings(console: Console, target: str, findings: list[Finding]) -> None:
    """Print a table, and one line on the whole; what is not ok names its source."""
    table = Table("", "check", "found")
    for item in findings:
        colour = _COLOURS[item.verdict]
        lines = [escape(_printable(remark)) for remark in item.remarks]
        if item.verdict in (Verdict.FAILED, Verdict.WARNING):
            lines.append(f"[dim]{item.source}[/dim]")
        table.add_row(f"[{colour}]{item.verdict}[/{colour}]", item.check, "\n".join(lines))
    console.print(table)
    counts = Counter(item.verdict for item in findings)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    verdict = "conforms" if conforms(findings) else "does not conform"
    console.print(f"{escape(target)} {verdict}: {summary}", highlight=False, soft_wrap=True)


def findings_json(target: str, findings: list[Finding]) -> str:
    """Return the findings as JSON."""
    return json.dumps(
        {
            "target": target,
            "conforms": conforms(findings),
            "findings": [asdict(item) for item in findings],
        }
    )


def _printable(text: str) -> str:
    """Take out what could steer a terminal: remarks quote the image."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
