"""`dino-pipeline adopt --all`."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `adopt` to the command line's subparsers."""
    parser = commands.add_parser(
        "adopt",
        help="after an update of dino_pipeline: keep earlier trainings, finished or not",
        description="A training is found by its fingerprint. Some updates change fingerprints (CHANGELOG.md says "
        "so). This gives earlier trainings their new fingerprint: nothing trains again, and unfinished "
        "trainings continue. Runs and registered versions in MLflow keep both.",
    )
    parser.add_argument(
        "fingerprints", nargs="*", metavar="FINGERPRINT", help="an earlier fingerprint, as reports show it"
    )
    parser.add_argument("--all", action="store_true", help="all trainings of the project")
    add_project(parser)
    parser.set_defaults(make=_adopt)


def _adopt(options: argparse.Namespace) -> str:
    from dino_pipeline.model_registry.adoption import adopt
    from dino_pipeline.tracking import configure

    if options.all == bool(options.fingerprints):
        raise ValueError("give the fingerprints of trainings, or --all")
    project = project_of(options)
    named = None if options.all else options.fingerprints
    lines = list(adopt(project, configure(project), named))
    return "".join(
        f"{line}\n" for line in lines or ["this project has no trainings, so there is nothing to adopt"]
    )
