"""Plot accuracy against the number of labels, with a line for each network and a panel for each classifier."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.plotting.grids import rasterised

_TITLES = {"logistic_regression": "logistic regression", "knn": "k-NN"}


def picture(report: Mapping[str, Any]) -> Image.Image:
    """Plot percent on test, else on validation, with 95 % intervals. A skipped evaluation gives the reason instead."""
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="tight")
    split = "val" if "test" in report["skipped"] else "test"
    for axes, (classifier, title) in zip(figure.subplots(1, 2, sharey=True), _TITLES.items(), strict=True):
        axes.set_title(title, fontsize=10)
        if report["results"]:
            _draw(axes, report, classifier, split)
        else:
            axes.text(
                0.5, 0.5, f"skipped: {report['skipped']['results']}", ha="center", fontsize=8, wrap=True
            )
            axes.set_axis_off()
    if report["results"]:
        axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))  # beside the last panel
    return rasterised(figure)


def _draw(axes: Axes, report: Mapping[str, Any], classifier: str, split: str) -> None:
    shares = sorted(report["results"], key=report["num_labels"].__getitem__)
    num_labels = [report["num_labels"][share] for share in shares]
    for network in report["results"][shares[0]]:
        measured = [report["results"][share][network][classifier] for share in shares]
        axes.errorbar(
            num_labels,
            [100 * values[split] for values in measured],
            yerr=[100 * (values[f"{split}_interval"] or 0) for values in measured],
            marker="o",
            markersize=3,
            linewidth=1.2,
            capsize=2,
            label=network,
        )
    axes.set_xscale("log")
    axes.set_xlabel("train labels")
    axes.set_ylabel(f"accuracy on {split}, %")
    axes.grid(alpha=0.3)
