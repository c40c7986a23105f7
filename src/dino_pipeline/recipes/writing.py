"""Write a recipe: a folder of conf/ with a file for each pipeline, every value under the sentence that explains it."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_WIDTH = 118


class Choice(NamedTuple):
    """A parameter, its value, and why; no sentence where the one before says it."""

    key: str
    value: Any
    why: str = ""


def write_recipe(folder: Path, choices: Sequence[Choice], *, heading: str, author: str, base: Path) -> None:
    """Fill conf/<recipe>: a file for every file of conf/base, as DVC wants to find them, `{}` where nothing changes.

    Args:
        folder: conf/<recipe>; must not exist.
        choices: keys start with the group that a file of conf/base holds.
        heading: what was measured, for globals.yml.
        author: the command that chose.
        base: conf/base.
    """
    folder.mkdir(parents=True)
    (folder / "globals.yml").write_text(f"{_comment(heading)}\nrecipe: {folder.name}\n")
    for file in sorted(base.glob("parameters_*.yml")):
        groups = list(yaml.safe_load(file.read_text()))
        own = [choice for choice in choices if choice.key.split(".")[0] in groups]
        text = (
            render(own, author=author)
            if own
            else f"# As in base; DVC watches this file.\n{groups[0]}: {{}}\n"
        )
        (folder / file.name).write_text(text)


def render(choices: Sequence[Choice], *, author: str) -> str:
    """The choices as YAML, nested by their keys, each under its sentence."""
    lines = [f"# By `{author}`, for the images and the machine that globals.yml tells of; yours to change."]
    _nest([(choice.key.split("."), choice) for choice in choices], 0, lines)
    return "\n".join(lines) + "\n"


def nested(choices: Sequence[Choice]) -> dict[str, Any]:
    """The choices as nested values, as the configuration's loader takes overrides."""
    values: dict[str, Any] = {}
    for choice in choices:
        *groups, last = choice.key.split(".")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = choice.value
    return values


def _nest(choices: list[tuple[list[str], Choice]], depth: int, lines: list[str]) -> None:
    indent = "  " * depth
    names = dict.fromkeys(parts[0] for parts, _ in choices)
    for name in names:
        inside = [(parts[1:], choice) for parts, choice in choices if parts[0] == name]
        rest, choice = inside[0]
        if rest:
            lines.append(f"{indent}{name}:")
            _nest(inside, depth + 1, lines)
            continue
        if choice.why:
            lines.append(_comment(choice.why, indent))
        lines.append(f"{indent}{name}: {_yaml(choice.value)}")


def _comment(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _yaml(value: Any) -> str:
    # width: a value stays on its line; the document's end mark follows bare scalars
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
