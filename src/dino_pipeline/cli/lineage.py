"""`dino-pipeline lineage NAME/VERSION|RUN|DATA_DIGEST|IMAGE|SHA256`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `lineage` to the command line's subparsers."""
    parser = commands.add_parser(
        "lineage",
        help="say what made a model, or which models saw data or an image",
        description="Of a model: the commit, data and parameters that made it, and whether each can still be had. Of "
        "a data version or an image: the models that saw it.",
    )
    parser.add_argument(
        "of",
        help="a registered name/version or name@alias, an MLflow run id, a data digest, an image's path or its sha256",
    )
    parser.add_argument(
        "--verify", action="store_true", help="hash every image again, and not only some (lineage.num_hashed)"
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_lineage, output=None)


def _lineage(options: argparse.Namespace) -> str:
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.model_registry.config import LineageConfig
    from dino_pipeline.model_registry.lineage.report import report
    from dino_pipeline.recipes.reading import project_parameters

    project = options.project.resolve()
    config = from_dict(LineageConfig, project_parameters(project, "base")["lineage"])
    return report(options.of, project, num_hashed=None if options.verify else config.num_hashed)
