"""`dino-pipeline sync-mlflow`, after an outage of MLflow's store."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `sync-mlflow` to the command line's subparsers."""
    parser = commands.add_parser(
        "sync-mlflow",
        help="after an outage of MLflow: send the kept records of runs",
        description="Records that MLflow's store did not accept are kept in data/.unsent. This sends them, each once.",
    )
    add_project(parser)
    parser.set_defaults(make=_sync)


def _sync(options: argparse.Namespace) -> str:
    from dino_pipeline.tracking import configure
    from dino_pipeline.tracking.tracker import send_spooled_runs

    configure(project_of(options))
    sent = send_spooled_runs()
    if not sent:
        return "Nothing to send: MLflow's store has everything.\n"
    return "".join(f"sent: {name}\n" for name in sent)
