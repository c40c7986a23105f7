"""Kedro's own command line works beside the package `cli`, in which it looks for commands of the project."""

from pathlib import Path

import click
import pytest
from kedro.framework.cli.cli import KedroCLI

ROOT = Path(__file__).parents[2]


def test_kedro_finds_its_commands_in_this_project() -> None:
    commands = KedroCLI(ROOT)
    assert "run" in commands.list_commands(click.Context(commands))


def test_parameters_of_kedro_run_are_what_is_typed() -> None:
    commands = KedroCLI(ROOT)
    run = commands.get_command(click.Context(commands), "run")
    assert run is not None

    def read(*arguments: str) -> object:
        return run.make_context("run", list(arguments)).params["params"]

    assert read("--params=ingest.source=[/a,/b]") == {"ingest": {"source": ["/a", "/b"]}}
    assert read("--params", "ingest.source=/tmp/set #2,ingest.seed=3") == {
        "ingest": {"source": "/tmp/set #2", "seed": 3}
    }
    assert read() == {}
    with pytest.raises(click.UsageError, match="close each bracket"):
        read("--params=ingest.source=[/a")
