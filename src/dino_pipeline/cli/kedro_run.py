"""Kedro's `run`, whose `--params` reads what is typed: lists, `#`, commas and colons inside a value."""

import copy
from typing import Any

import click
from kedro.framework.cli.project import run

from dino_pipeline.workspace.typed_values import typed_parameters


def _read_params(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
    if not isinstance(value, str):  # from the file of --config
        return value
    try:
        return typed_parameters(value) if value.strip() else {}
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _with_typed_params(command: click.Command) -> click.Command:
    changed = copy.copy(command)
    changed.params = [copy.copy(option) for option in command.params]
    for option in changed.params:
        if option.name == "params":
            option.callback = _read_params
    return changed


cli = click.Group(commands={"run": _with_typed_params(run)})
