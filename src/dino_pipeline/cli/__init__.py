"""The `dino-pipeline` command, one file per subcommand. docs/commands.md lists them.

Each file except arguments.py and kedro_run.py has `add_command`, which adds its arguments and names the function that
runs it. Before that function runs, only the standard library is imported.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Our `kedro run`: Kedro looks for a project's own commands in its package's `cli`."""
    if name == "cli":
        from dino_pipeline.cli.kedro_run import cli

        return cli
    raise AttributeError(name)
