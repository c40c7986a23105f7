"""`dino-pipeline clean-results`: remove stored results of stages."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `clean-results` to the command line's subparsers."""
    parser = commands.add_parser(
        "clean-results",
        help="remove stored results of stages that no run has used for a while",
        description="`kedro run` keeps the results of stages in data/.results and finds them again. Remove those that "
        "no run has used for a while. Models, reports and all other outputs stay; a removed result is made again when "
        "a run needs it.",
    )
    parser.add_argument(
        "--unused-days", type=float, default=30, help="remove results unused for this many days (30); 0: all"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    add_project(parser)
    parser.set_defaults(make=_clean)


def _clean(options: argparse.Namespace) -> str:
    from dino_pipeline.project.results import RESULTS, clean_up

    if options.unused_days < 0:
        raise ValueError(f"--unused-days is {options.unused_days:g}: give 0 or more")
    cleaned = clean_up(
        project_of(options) / RESULTS, unused_days=options.unused_days, is_dry_run=options.dry_run
    )
    verb = "Would remove" if options.dry_run else "Removed"
    return (
        f"{verb} {_count(cleaned.num_removed)}, which frees {cleaned.bytes_freed / 1e6:,.1f} MB; "
        f"{_count(cleaned.num_left)} left, with {cleaned.bytes_left / 1e6:,.1f} MB of their own. "
        "Files that are also outputs in data/ take no space of their own.\n"
    )


def _count(number: int) -> str:
    return f"{number} result" if number == 1 else f"{number} results"
