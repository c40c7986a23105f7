"""Accuracy of each row as a point, with its interval over images, over seeds, and what was published."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.experiments.compare.measured import Measured
from dino_pipeline.experiments.compare.outcome import Outcome
from dino_pipeline.plotting.grids import rasterised

_IMAGES, _SEEDS, _PUBLISHED = "#1f6f8b", "#c26a1b", "#777777"


def picture(outcome: Outcome) -> Image.Image:
    """Percent on the judged split, a line a row, the first on top; rows without a number have none."""
    rows = outcome.rows
    figure = Figure(figsize=(8, 1.4 + 0.42 * len(rows)), dpi=110, layout="tight")
    axes = figure.subplots()
    for height, row in enumerate(reversed(rows)):
        if row.splits:
            _draw(axes, row.splits[outcome.split], height, is_baseline=row.is_baseline)
        else:
            axes.annotate(
                "no model", (0.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=8
            )
        if "knn" in row.published:
            axes.plot(
                row.published["knn"], height, marker="D", markersize=5, color=_PUBLISHED, fillstyle="none"
            )
    axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)], fontsize=9)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    split = "test" if outcome.split == "test" else "validation"
    axes.set_xlabel(f"k-NN (k = {outcome.num_neighbors}) on {split}, %", fontsize=9)
    axes.set_title(
        f"{outcome.name}: 95 % over images (blue), over seeds (orange), published (diamond)", fontsize=9
    )
    axes.grid(axis="x", alpha=0.3)
    return rasterised(figure)


def _draw(axes: Axes, found: Measured, height: int, *, is_baseline: bool) -> None:
    images, seeds = found.over_images, found.over_seeds
    axes.plot([100 * images.low, 100 * images.high], [height + 0.1] * 2, color=_IMAGES, linewidth=2.2)
    if seeds:
        axes.plot([100 * seeds.low, 100 * seeds.high], [height - 0.1] * 2, color=_SEEDS, linewidth=2.2)
    axes.plot(
        [100 * accuracy for accuracy in found.by_model], [height] * len(found.by_model), "|", color="#444444"
    )
    axes.plot(
        100 * images.mean,
        height,
        "o",
        color=_IMAGES,
        markersize=5,
        fillstyle="none" if is_baseline else "full",
    )
