"""Arguments and exit statuses that several commands have."""

import argparse
from pathlib import Path
from typing import NamedTuple

SOME_LEFT_OUT = 3  # the exit status of a command that did its work, but not for every image


class Outcome(NamedTuple):
    """What a command prints, and its exit status."""

    text: str
    status: int


def add_project(parser: argparse.ArgumentParser) -> None:
    """Add `--project`, the folder that relative names and MLflow's store start from."""
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, any name that `model_registry.model_lookup.find_weights` knows."""
    parser.add_argument(
        "--model",
        required=True,
        help="a model's folder or .safetensors file, a recipe, an MLflow run id, or name@alias or name/version",
    )
