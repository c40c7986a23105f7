"""The table that the documentation shows is the one that the suite recorded."""

from pathlib import Path

from .outcome_table import outcome_table
from .random_kills import table


def test_the_documentation_shows_what_was_recorded() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    assert outcome_table() in text
    assert table() in text
