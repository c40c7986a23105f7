"""Kedro's own command line works beside the package `cli`, in which it looks for commands of the project."""

from pathlib import Path

import click
from kedro.framework.cli.cli import KedroCLI

ROOT = Path(__file__).parents[2]


def test_kedro_finds_its_commands_in_this_project() -> None:
    commands = KedroCLI(ROOT)
    assert "run" in commands.list_commands(click.Context(commands))
