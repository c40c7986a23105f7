"""Pretrain image backbones by DINO, and use what they learned. `kedro run` runs the pipelines."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dino_pipeline.cli import (
    adopt,
    attend,
    check_recipes,
    clean_results,
    cost,
    doctor,
    dvc_stages,
    embed,
    init,
    lineage,
    merge_recipe,
    picture,
    promote,
    repair_artifacts,
    spec,
    sync_mlflow,
)
from dino_pipeline.dino.launching.bound import end_children_with_this_process, shorten_socket_paths
from dino_pipeline.workspace.environment import complete_environment
from dino_pipeline.workspace.full_disk import in_words

COMMANDS = (
    init,
    check_recipes,
    cost,
    merge_recipe,
    spec,
    attend,
    embed,
    promote,
    lineage,
    sync_mlflow,
    repair_artifacts,
    adopt,
    clean_results,
    doctor,
    dvc_stages,
    picture,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        the exit status: 0, or 1 for an error that the user can fix, which is one line on standard error.
    """
    if arguments is None:
        complete_environment()
    options = _parser().parse_args(arguments)
    try:
        end_children_with_this_process()
        shorten_socket_paths()
        text = options.make(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"Error: {in_words(error, Path())}\n")
        return 1
    sys.stdout.write(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dino-pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
