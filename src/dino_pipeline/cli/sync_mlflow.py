"""`dino-pipeline sync-mlflow`, after an outage of MLflow's store."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `sync-mlflow` to the command line's subparsers."""
    parser = commands.add_parser(
        "sync-mlflow",
        help="after an outage of MLflow: send what was kept of runs",
        description="What MLflow's store did not take of runs is kept in data/.unsent. Send it; what the store has "
        "already is not doubled.",
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_sync, output=None)


def _sync(options: argparse.Namespace) -> str:
    from dino_pipeline.tracking import configure
    from dino_pipeline.tracking.tracker import send_spooled_runs

    configure(options.project)
    sent = send_spooled_runs()
    if not sent:
        return "Nothing is kept: MLflow's store has everything.\n"
    return "".join(f"sent: {name}\n" for name in sent)
