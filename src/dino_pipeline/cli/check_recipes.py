"""`dino-pipeline check-recipes`: build every recipe, take two small steps, and print the cost of its training."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dino_pipeline.recipes.check import RecipeCheck


def add_command(commands: Any) -> None:
    """Add `check-recipes` to the command line's subparsers."""
    parser = commands.add_parser(
        "check-recipes",
        help="build every recipe, run two small training steps of each, and print its cost",
        description="Prints parameters; FLOPs per image (all crops, teacher and student, forward and backward); "
        "memory of each GPU, with 64 images on each; hours of one V100, at the rate of the paper's table "
        "8.",
    )
    parser.add_argument("recipes", nargs="*", help="folders of conf/ (all)")
    parser.set_defaults(make=_check)


def _check(options: argparse.Namespace) -> str:
    from kedro.config import MissingConfigException

    from dino_pipeline.recipes.check import check
    from dino_pipeline.recipes.reading import conf_of, recipe_names
    from dino_pipeline.workspace.project_folder import project_around

    try:
        conf = conf_of(project_around(Path()))
        rows = [check(recipe, conf=conf) for recipe in options.recipes or recipe_names(conf)]
    except MissingConfigException as error:
        raise ValueError(str(error)) from error
    return "\n".join(_table(rows)) + "\n"


def _table(rows: list["RecipeCheck"]) -> Iterator[str]:
    yield (
        f"{'recipe':30}{'backbone':24}{'M params':>9}{'+ head':>8}{'GFLOP/image':>13}{'GPUs':>6}{'GB each':>9}"
        f"{'steps':>10}{'V100 hours':>12}   two small steps: loss"
    )
    for row in rows:
        steps = f"{row.num_steps:,}" if row.num_steps else "-"
        hours = (
            f"{row.v100_hours:,.0f}"
            if row.v100_hours and row.v100_hours >= 1
            else "below 1"
            if row.v100_hours
            else "-"
        )
        yield (
            f"{row.recipe:30}{row.backbone:24}{row.million_parameters:9.1f}{row.head_million_parameters:8.1f}"
            f"{row.gflops_per_image:13.2f}{row.gpus:6}{row.memory_gb:9.1f}{steps:>10}{hours:>12}"
            f"   {row.losses[0]:.3f}, {row.losses[1]:.3f}"
        )
