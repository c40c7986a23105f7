"""`dino-pipeline adopt --all`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `adopt` to the command line's subparsers."""
    parser = commands.add_parser(
        "adopt",
        help="after an update of dino_pipeline: keep finished and unfinished trainings of before",
        description="A training is found again by its fingerprint, and an update that says so in CHANGELOG.md gives "
        "the same training another one. Give those of before the new one: nothing trains again, unfinished ones go "
        "on. Runs and registered versions in MLflow bear both.",
    )
    parser.add_argument(
        "fingerprints", nargs="*", metavar="FINGERPRINT", help="of before, as reports show it"
    )
    parser.add_argument("--all", action="store_true", help="all trainings of the project")
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_adopt)


def _adopt(options: argparse.Namespace) -> str:
    from dino_pipeline.model_registry.adoption import adopt
    from dino_pipeline.tracking import configure

    if options.all == bool(options.fingerprints):
        raise ValueError("name trainings by their fingerprints, or give --all")
    project = options.project.resolve()
    named = None if options.all else options.fingerprints
    lines = list(adopt(project, configure(project), named))
    return "".join(f"{line}\n" for line in lines or ["there is no training here: nothing to adopt"])
