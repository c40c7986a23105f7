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
from dino_pipeline.cli.arguments import Outcome
from dino_pipeline.dino.launching.command import in_case_of_killed_loader, prepare_command
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
        the exit status: 0, 1 for an error that the user can fix, which is one line on standard error, or 3 if the
        command left out images that it names.
    """
    if arguments is None:
        complete_environment()
    options = _parser().parse_args(arguments)
    try:
        if arguments is None:
            prepare_command()
        made = options.make(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"Error: {in_words(error, Path())}\n")
        return 1
    except RuntimeError as error:
        words = in_case_of_killed_loader(str(error))
        if words == str(error):
            raise
        sys.stderr.write(f"Error: {words}\n")
        return 1
    outcome = made if isinstance(made, Outcome) else Outcome(made, 0)
    sys.stdout.write(outcome.text)
    return outcome.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dino-pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
