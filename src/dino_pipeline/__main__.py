"""Pretrain image backbones by DINO, and use what they learned. `kedro run` runs the pipelines."""

import argparse
import sys
from collections.abc import Sequence

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
    options = _parser().parse_args(arguments)
    try:
        made = options.make(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
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
