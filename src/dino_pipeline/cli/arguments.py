"""Arguments and exit statuses that several commands have."""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

SOME_LEFT_OUT = 3  # the exit status of a command that did its work, but not for every image


class Outcome(NamedTuple):
    """What a command prints, and its exit status."""

    text: str
    status: int


def add_project(parser: argparse.ArgumentParser) -> None:
    """Add `--project`, the folder with the recipes, the models and MLflow's store."""
    parser.add_argument(
        "--project", type=Path, help="the project's folder (the one around the current folder)"
    )


def project_of(options: argparse.Namespace) -> Path:
    """The project that `--project` names, or the one around the current folder.

    Raises:
        ValueError: there is none.
    """
    project = project_if_any(options)
    if project is None:
        raise ValueError(
            f"{Path.cwd()} is not in a project of dino-pipeline: go into one, name it with --project DIR, or make one: "
            "dino-pipeline init DIR --images IMAGES"
        )
    return project


def project_if_any(options: argparse.Namespace) -> Path | None:
    """The project that `--project` names, or the one around the current folder; None if there is none.

    Raises:
        ValueError: `--project` names no folder.
    """
    from dino_pipeline.workspace.project_folder import project_around

    if options.project is None:
        return project_around(Path())
    folder: Path = options.project.expanduser().resolve()
    if not folder.is_dir():
        raise ValueError(f"--project: {folder} is not a folder")
    return folder


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, any name that `model_registry.model_lookup.load_model` knows, and `--set` for how to read it."""
    parser.add_argument(
        "--model",
        required=True,
        help="a recipe, a model's folder or .safetensors file, a fingerprint, an MLflow run id, name@alias or "
        "name/version; weights from elsewhere: a .pth, .ckpt, .bin or .safetensors file, a folder of transformers, "
        "timm:NAME",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="e.g. model.options.num_heads=6, for weights from elsewhere",
    )


def say(line: str) -> None:
    """Print a line at once, before the command's result."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
