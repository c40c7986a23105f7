"""The `dino-pipeline` command, one file per subcommand. docs/commands.md lists them.

Each file except arguments.py has `add_command`, which adds its arguments and names the function that runs it.
Before that function runs, only the standard library is imported.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """An empty group. Kedro looks for its own extensions in a package's `cli`, and fails without this name."""
    if name == "cli":
        import click

        return click.Group()
    raise AttributeError(name)
