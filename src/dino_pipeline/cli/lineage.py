"""`dino-pipeline lineage NAME/VERSION|RUN|DATA_DIGEST|IMAGE|SHA256`."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `lineage` to the command line's subparsers."""
    parser = commands.add_parser(
        "lineage",
        help="show what made a model, or which models used data or an image",
        description="For a model: the commit, data and parameters that made it, and whether each is still available. "
        "For a data version or an image: the models that used it.",
    )
    parser.add_argument(
        "of",
        help="a model by any of its names (name/version, name@alias, a recipe, an MLflow run id, a fingerprint, a "
        "folder), a data digest, an image's path or its sha256",
    )
    parser.add_argument(
        "--verify", action="store_true", help="hash every image again, not only a sample (lineage.num_hashed)"
    )
    add_project(parser)
    parser.set_defaults(make=_lineage)


def _lineage(options: argparse.Namespace) -> str:
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.model_registry.config import LineageConfig
    from dino_pipeline.model_registry.lineage.report import report
    from dino_pipeline.recipes.reading import project_parameters

    project = project_of(options)
    config = from_dict(LineageConfig, project_parameters(project, "base")["lineage"])
    return report(options.of, project, num_hashed=None if options.verify else config.num_hashed)
