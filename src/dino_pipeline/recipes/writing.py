"""Write a recipe, conf/<recipe>/parameters.yml, with every value below the sentence that explains it."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.recipes.reading import watched_groups

UNCHANGED = "# Unchanged; DVC needs these lines."
_WIDTH = 118


class Choice(NamedTuple):
    """A parameter, its value, and the reason; no sentence where the one before covers it."""

    key: str
    value: Any
    why: str = ""


def write_recipe(folder: Path, choices: Sequence[Choice], *, heading: str) -> None:
    """Make the folder conf/<recipe> with its one file, parameters.yml.

    Args:
        folder: must not exist.
        choices: keys start with a group of conf/base.
        heading: names the command that wrote it, and the measurements.
    """
    lines = [_comment(f"{heading} Yours to change.")]
    _nest([(choice.key.split("."), choice) for choice in choices], 0, lines)
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / "parameters.yml") as partial:
        partial.write_text(with_unchanged(["\n".join(lines)]))


def with_unchanged(texts: Sequence[str]) -> str:
    """A recipe's file: the texts of groups, then `{}` for each group that DVC watches and no text has."""
    named = {name for text in texts for name in re.findall(r"^(\w+):", text, re.MULTILINE)}
    unchanged = [f"{group}: {{}}" for group in watched_groups() if group not in named]
    blocks = [*texts, "\n".join([UNCHANGED, *unchanged]) if unchanged else ""]
    return "\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"


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
