"""docs/when_something_looks_wrong.md quotes messages that exist, and commands that are understood."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from kedro.framework.cli.project import run as kedro_run

from dino_pipeline.__main__ import _parser
from dino_pipeline.pipeline_registry import register_pipelines
from dino_pipeline.recipes.reading import recipe_parameters

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "when_something_looks_wrong.md").read_text()
MESSAGES = re.findall(r"^> (.+)$", PAGE, re.MULTILINE)
BLOCKS = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
_OF_THE_SYSTEM = {"tail", "head", "cat", "df", "env", "git", "dvc"}


@cache
def texts() -> list[str]:
    """Every text in the code. Of a text with values in it, its pieces."""
    trees = [ast.parse(file.read_text()) for file in sorted((ROOT / "src").rglob("*.py"))]
    constants = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [re.sub(r"%[sdg]", "…", node.value) for node in constants if isinstance(node.value, str)]


def test_there_is_something_to_check() -> None:
    assert len(MESSAGES) > 20
    assert len(COMMANDS) > 25


@pytest.mark.parametrize("message", MESSAGES)
def test_a_quoted_message_is_in_the_code(message: str) -> None:
    for piece in message.split("…"):
        words = piece.strip()
        assert any(words in text for text in texts()), words


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command: str) -> None:
    words = shlex.split(command.partition("|")[0])
    while "=" in words[0]:  # a variable before the command
        words.pop(0)
    name, *arguments = words
    if name == "dino-pipeline":
        assert callable(_parser().parse_args(arguments).make)
    elif name == "kedro":
        assert arguments[0] == "run"
        options = kedro_run.make_context("run", arguments[1:]).params
        assert not options["pipeline"] or options["pipeline"] in register_pipelines()
        for key in options["params"]:
            _assert_is_a_parameter(options["params"], key)
    elif name == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert name in _OF_THE_SYSTEM


def _assert_is_a_parameter(given: dict[str, object], group: str) -> None:
    values: object = recipe_parameters("base")[group]
    asked: object = given[group]
    while isinstance(asked, dict):
        ((name, asked),) = asked.items()
        assert isinstance(values, dict)
        assert name in values, name
        values = values[name]


def test_readers_find_the_page() -> None:
    assert "docs/when_something_looks_wrong.md" in (ROOT / "README.md").read_text()
