"""`dino-pipeline repair-artifacts`, for a project that was moved or copied."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `repair-artifacts` to the command line's subparsers."""
    parser = commands.add_parser(
        "repair-artifacts",
        help="after the project was moved: correct the addresses of MLflow's artifacts",
        description="MLflow's database contains absolute addresses of artifacts. This rewrites those that point to the "
        "project's old folder, all at once.",
    )
    add_project(parser)
    parser.add_argument("--dry-run", action="store_true", help="only print how many rows would change")
    parser.set_defaults(make=_repair)


def _repair(options: argparse.Namespace) -> str:
    from dino_pipeline.tracking import configure
    from dino_pipeline.tracking.relocate import repair_addresses

    before, now, num_rows = repair_addresses(configure(project_of(options)), dry_run=options.dry_run)
    if not num_rows:
        return f"Nothing to repair: MLflow's addresses point to {now}.\n"
    verb = "Would rewrite" if options.dry_run else "Rewrote"
    lines = [f"{verb} {before} to {now} in"]
    lines += [f"  {count:6,} rows of {name}" for name, count in num_rows.items()]
    return "\n".join([*lines, ""])
