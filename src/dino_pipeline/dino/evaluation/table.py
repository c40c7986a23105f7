"""Rows of text with their columns aligned, for a log."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """One line a row; the first column begins at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
