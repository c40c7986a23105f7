"""The table of docs/reliability.md, from the outcomes that the suite keeps: `python -m tests.faults.outcome_table`."""

import json
import sys
from collections import Counter
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.json"
_LANDED = ("stopped", "went on by itself")  # a signal that came after the end proves nothing


def outcome_table(results: Path = RESULTS) -> str:
    """One row for each moment and kill: how many, and what came of them."""
    outcomes = json.loads(results.read_text())["outcomes"]
    landed = [outcome for outcome in outcomes if outcome["outcome"] in _LANDED]
    counts = Counter((outcome["during"], outcome["kill"], outcome["outcome"]) for outcome in landed)
    commits = sorted({outcome["commit"][:12] for outcome in landed})
    rows = [
        f"| {during} | {kill} | {number} | {outcome} |"
        for (during, kill, outcome), number in sorted(counts.items())
    ]
    head = [
        f"{len(landed)} kills, at {', '.join(commits)}: no process left, no half file, the bits of an undisturbed run.",
        "",
        "| during | kill | kills | the command |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    sys.stdout.write(outcome_table() + "\n")
