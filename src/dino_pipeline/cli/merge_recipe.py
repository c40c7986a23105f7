"""`dino-pipeline merge-recipe NAME`, for a recipe of several files."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `merge-recipe` to the command line's subparsers."""
    parser = commands.add_parser(
        "merge-recipe",
        help="merge a recipe of several files into one, parameters.yml",
        description="Joins the files of conf/NAME, with their comments, into parameters.yml. No value changes; if "
        "one would be lost, nothing is written.",
    )
    parser.add_argument("recipes", nargs="+", metavar="NAME", help="a folder of conf/")
    add_project(parser)
    parser.set_defaults(make=_merge)


def _merge(options: argparse.Namespace) -> str:
    from dino_pipeline.recipes.merging import merge_recipe

    project, lines = project_of(options), []
    for name in options.recipes:
        if name in ("base", "local"):
            raise ValueError(f"conf/{name} is not a recipe: its files stay.")
        files = merge_recipe(project / "conf" / name)
        lines.append(
            f"conf/{name}/parameters.yml: {len(files)} files merged and removed."
            if files
            else f"conf/{name} is already one file."
        )
    stages = project / "dvc.yaml"
    if stages.exists() and "conf/${recipe}/parameters_" in stages.read_text():
        lines.append("dvc.yaml watches files that recipes no longer have: run `dino-pipeline dvc-stages`.")
    return "\n".join([*lines, ""])
