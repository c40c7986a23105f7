"""`dino-pipeline merge-recipe NAME`, for a recipe of several files."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `merge-recipe` to the command line's subparsers."""
    parser = commands.add_parser(
        "merge-recipe",
        help="make a recipe of several files one file, parameters.yml",
        description="Join the files of conf/NAME, comments too, into its parameters.yml. No value changes; where one "
        "would be lost, nothing is written.",
    )
    parser.add_argument("recipes", nargs="+", metavar="NAME", help="a folder of conf/")
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_merge, output=None)


def _merge(options: argparse.Namespace) -> str:
    from dino_pipeline.recipes.merging import merge_recipe

    lines = []
    for name in options.recipes:
        if name in ("base", "local"):
            raise ValueError(f"conf/{name} is no recipe: it keeps its files.")
        files = merge_recipe(options.project / "conf" / name)
        lines.append(
            f"conf/{name}/parameters.yml: {len(files)} files merged, and removed."
            if files
            else f"conf/{name} is one file already."
        )
    stages = options.project / "dvc.yaml"
    if stages.exists() and "conf/${recipe}/parameters_" in stages.read_text():
        lines.append(
            "dvc.yaml watches files that recipes no longer have: `dino-pipeline dvc-stages` writes it anew."
        )
    return "\n".join([*lines, ""])
