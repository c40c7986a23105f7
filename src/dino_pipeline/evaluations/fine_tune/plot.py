"""Plot validation accuracy by epoch, a line for each start, with the chosen epoch marked."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from dino_pipeline.plotting.grids import rasterised


def picture(report: Mapping[str, Any]) -> Image.Image:
    """Plot percent. A skipped evaluation gives the reason instead."""
    figure = Figure(figsize=(6, 3.6), dpi=100, layout="tight")
    axes = figure.subplots()
    if not report["results"]:
        axes.text(0.5, 0.5, f"skipped: {report['skipped']['results']}", ha="center", fontsize=8, wrap=True)
        axes.set_axis_off()
    for start, result in report["results"].items():
        val = [100 * value for value in result["val_by_epoch"]]
        best = result["best_epoch"]
        (line,) = axes.plot(range(1, len(val) + 1), val, linewidth=1.2, label=start)
        axes.plot(best, val[best - 1], marker="o", markersize=4, color=line.get_color())
    if report["results"]:
        axes.set_xlabel("epoch")
        axes.set_ylabel("accuracy on val, %")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return rasterised(figure)
