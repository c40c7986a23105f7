"""Figures and cleaning list in words and a table, for the log."""

from collections.abc import Mapping
from typing import Any

_COLUMNS = ("rankme", "alpha_req", "uniformity", "alignment")


def table(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A row for each network and split; `-` where a figure could not be taken.

    Args:
        figures: `{split: {network: {figure: value}}}`.
    """
    lines = [f"{'':<16}" + "".join(f"{name:>12}" for name in _COLUMNS)]
    for split, networks in figures.items():
        for network, values in networks.items():
            cells = (f"{values[name]:.3f}" if name in values else "-" for name in _COLUMNS)
            lines.append(f"{network + ' ' + split:<16}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def in_words(summary: Mapping[str, Any]) -> str:
    """What the cleaning list found, in a sentence or two."""
    duplicates = summary["near_duplicates"]
    dropped = summary["suggested_to_drop"]
    text = (
        f"{duplicates['images']:,} of {summary['num_images']:,} images are near-duplicates of another "
        f"({duplicates['clusters']:,} clusters, {duplicates['clusters_across_splits']:,} across splits, the largest of "
        f"{duplicates['largest_cluster']:,}); {summary['outliers']['images']:,} outliers listed; suggested to drop: "
        + ", ".join(f"{split} {count:,}" for split, count in dropped.items())
    )
    if duplicates["suggestion_withheld"]:
        text += (
            f". {duplicates['redundant_share']:.0%} of all images would go as near-duplicates, more than "
            "data_quality.near_duplicates.max_dropped_share: none is suggested; raise near_duplicates.cosine"
        )
    return text
