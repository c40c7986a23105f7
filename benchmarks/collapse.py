"""Make DINO collapse on purpose, beside a healthy run: python benchmarks/collapse.py train|draw.

`train` needs the manifest of base (kedro run --env=base --pipeline=ingest), takes about two minutes of one core for
each run, and writes benchmarks/results/collapse.json; `draw` makes the figures of
docs/healthy_and_unhealthy.md from it.
"""

import argparse
import json
import logging
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.history import HISTORY, numbers, read_rows
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.recipes.reading import recipe_parameters

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "data" / "03_primary" / "base" / "manifest.parquet"
RESULTS = ROOT / "benchmarks" / "results" / "collapse.json"
FIGURES = ROOT / "docs" / "figures"
EPOCHS = 4
WATCHED = {"log_every_steps": 5, "evaluate_every_epochs": 1}
QUANTITIES = (  # column, label, factor, top of the axis
    ("loss", "loss", 1, 8),
    ("teacher_entropy", "teacher entropy", 1, 8),
    ("kl", "KL, teacher to student", 1, 3.5),
    ("knn_teacher", "k-NN on validation, %", 100, 80),
)
# facebookresearch/dino issue 280: the vanilla ViT-S/16 on ImageNet, mean loss of an epoch.
PUBLISHED = [(0, 7.29), (1, 9.18), (2, 7.32), (5, 4.92), (9, 4.04), (10, 3.90), (49, 2.87), (59, 2.77)]
HEALTHY, UNHEALTHY = "#1f5fbf", "#b4510f"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dino_pipeline",
    "font.size": 9,
    "axes.grid": True,
    "grid.color": "#e2dfd8",
    "axes.edgecolor": "#b9c0c8",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def constant(value: float) -> dict[str, float]:
    """A schedule that does nothing."""
    return {"warmup_from": value, "start": value, "end": value, "warmup_fraction": 0.0}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is broken, and by which parameters of `pretrain`."""

    name: str
    title: str
    overrides: dict[str, Any] = field(default_factory=dict)


# A center momentum of 1 is refused; this close to it the center stays where it starts, at zero.
NO_CENTERING = {"center_momentum": 1 - 1e-9}
RUNS = (
    Run(name="healthy", title="healthy:\nthe demo"),
    Run(
        name="no_sharpening",
        title="no sharpening:\nuniform collapse",
        overrides={"schedules": {"teacher_temperature": constant(0.4)}},
    ),
    Run(
        name="no_centering",
        title="no centering:\ncollapse to one dimension",
        # Batch norm in the head centers too, and a slow or soft teacher only delays the fall.
        overrides={
            "loss": NO_CENTERING,
            "projection_head": {"batch_norm": False},
            "optimizer": {"freeze_last_layer_fraction": 0.0},
            "schedules": {"teacher_temperature": constant(0.02), "teacher_momentum": constant(0.9)},
        },
    ),
    Run(
        name="no_momentum",
        title="no momentum:\nunrest",
        overrides={"schedules": {"teacher_momentum": constant(0.0)}},
    ),
)


def train(run: Run) -> None:
    """One short training of the demo on one core; only its history is kept."""
    parameters = recipe_parameters("base", {"pretrain": {"epochs": EPOCHS, **run.overrides}})
    pretrain = from_dict(PretrainConfig, parameters["pretrain"])
    images = read_manifest(MANIFEST, ROOT)
    with tempfile.TemporaryDirectory() as folder:
        spec = TrainingSpec(
            fingerprint=fingerprint(pretrain, images),
            recipe="base",
            manifest=str(MANIFEST),
            image_root=str(ROOT),
            folder=folder,
            pretrain=pretrain,
            monitoring=from_dict(MonitoringConfig, parameters["monitoring"] | WATCHED),
            launch=from_dict(LaunchConfig, parameters["launch"] | {"cpu_processes": 1}),
        )
        finished = launch(spec, on_progress=lambda: None)
        rows = [numbers(row) for row in read_rows(finished / HISTORY)]
    names = ("epoch", *(name for name, *_ in QUANTITIES))
    shown = [{name: round(row[name], 5) for name in names if name in row} for row in rows]
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results[run.name] = {
        "overrides": run.overrides,
        "num_prototypes": pretrain.projection_head.num_prototypes,
        "rows": shown,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def draw() -> None:
    """A column a run and a row a quantity, as the report shows them; and the published curve."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    results = json.loads(RESULTS.read_text())
    uniform = math.log(results[RUNS[0].name]["num_prototypes"])
    with rc_context(STYLE):
        figure = Figure(figsize=(10.4, 7.2), layout="constrained")
        grid = figure.subplots(len(QUANTITIES), len(RUNS), sharex=True, sharey="row")
        for line, (name, title, factor, top) in enumerate(QUANTITIES):
            for column, run in enumerate(RUNS):
                axes = grid[line][column]
                there = [row for row in results[run.name]["rows"] if name in row]
                axes.plot(
                    [row["epoch"] for row in there],
                    [factor * row[name] for row in there],
                    color=HEALTHY if column == 0 else UNHEALTHY,
                    marker="o" if name.endswith("_teacher") else None,
                    markersize=3,
                )
                if name in ("loss", "teacher_entropy"):
                    axes.axhline(uniform, color="#57606a", linewidth=0.8, linestyle=(0, (4, 3)))
                axes.set_ylim(0, top)
                if line == 0:
                    axes.set_title(run.title, fontweight="bold")
                if column == 0:
                    axes.set_ylabel(title)
                if line == len(QUANTITIES) - 1:
                    axes.set_xlabel("epoch")
        grid[0][0].annotate(
            f"ln K = {uniform:.2f}", (0, uniform), (2, 3), textcoords="offset points", color="#57606a"
        )
        _save(figure, "collapse")

        figure = Figure(figsize=(5.4, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*PUBLISHED, strict=True), color=HEALTHY, marker="o", markersize=4)
        axes.axhline(math.log(65536), color="#57606a", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            "ln K = 11.09",
            (59, math.log(65536)),
            (0, 3),
            textcoords="offset points",
            ha="right",
            color="#57606a",
        )
        for (epoch, loss), offset in zip(PUBLISHED[:4], ((-4, -11), (6, 0), (6, 2), (6, 2)), strict=True):
            axes.annotate(f"{loss}", (epoch, loss), offset, textcoords="offset points", va="center")
        axes.set_ylim(0, 12.4)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        _save(figure, "imagenet_loss")


def _save(figure: Figure, name: str) -> None:
    FigureCanvasSVG(figure)
    # White, for the places that show a figure on their own background.
    figure.savefig(FIGURES / f"{name}.svg", facecolor="white", metadata={"Date": None})


def main() -> None:
    """Train all runs, or draw them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["train", "draw"])
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.step == "draw":
        draw()
        return
    for run in RUNS:
        logging.info("%s", run.title)
        train(run)


if __name__ == "__main__":
    main()
