"""Merge a recipe of several files into one file, `parameters.yml`. Comments move along, and no value changes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.recipes.reading import watched_groups
from dino_pipeline.recipes.writing import UNCHANGED, with_unchanged
from dino_pipeline.workspace.config_loader import files_to_merge
from dino_pipeline.workspace.yaml_files import read_mapping

# Comments that are written anew, or were true of each single file only.
_REPLACED = re.compile(
    rf"^{re.escape(UNCHANGED)}\n(\w+: {{}}\n)*|^# As in base; DVC (?:watches this file|wants to find them)\.\n|"
    r"^# By `.*`, for the images and the machine that globals\.yml tells of; yours to change\.\n|^---\n",
    re.MULTILINE,
)


def merge_recipe(folder: Path) -> list[Path]:
    """Write conf/<recipe>/parameters.yml from all files of the recipe, and remove those files.

    The next call completes a merge that was killed half-way.

    Returns:
        The removed files; none where the recipe is one file already.

    Raises:
        ValueError: the recipe does not exist, or a value would be lost: two files have the same group, a value is an
            interpolation, or globals.yml contains more than the folder's name.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no recipe {folder.name!r} in {folder.parent}.")
    old = files_to_merge(folder)
    if not old:
        return []
    target = folder / "parameters.yml"
    parts = [file for file in old if file.name != "globals.yml"]
    parts.sort(key=_place)
    if target.exists():
        parts.insert(0, target)
    texts, values = _joined(parts)
    heading = _heading(folder / "globals.yml")
    if texts and heading not in texts[0]:
        texts[0] = f"{heading}\n{texts[0]}"
    whole = with_unchanged(texts)
    _verify(whole, values, folder)
    with written_whole(target) as fresh:
        fresh.write_text(whole, encoding="utf-8")
    for file in old:
        file.unlink()
    return old


def _place(file: Path) -> tuple[int, str]:
    """Order of the files: parameters_pretrain.yml first, since its head describes the recipe; stages; then others."""
    group = file.stem.removeprefix("parameters_")
    order = ["pretrain", *watched_groups()]
    return (order.index(group) if group in order else len(order), group)


def _heading(file: Path) -> str:
    """The comments of globals.yml, which describe the whole recipe."""
    if not file.exists():
        return ""
    values = _plain(file)
    name = file.parent.name
    if values.pop("recipe", name) != name:
        raise ValueError(
            f"{file} gives the recipe another name than its folder, and data/ has folders of that name: rename "
            f"{file.parent} to it first."
        )
    if values:
        raise ValueError(
            f"{file} also sets {', '.join(values)}, which parameters.yml cannot contain: remove them or move them "
            "elsewhere."
        )
    return "\n".join(line for line in file.read_text().splitlines() if line.startswith("#"))


def _joined(parts: list[Path]) -> tuple[list[str], dict[str, Any]]:
    """The joined texts, and all values that they give."""
    values: dict[str, Any] = {}
    home: dict[str, Path] = {}
    texts = []
    for file in parts:
        own = {group: inside for group, inside in _plain(file).items() if inside != {}}
        if own and all(group in values and values[group] == inside for group, inside in own.items()):
            continue  # a merge was killed before it removed this file
        twice = own.keys() & values.keys()
        if twice:
            group = min(twice)
            raise ValueError(f"{group} is in {home[group]} and in {file}: move it into one of them first.")
        text = _REPLACED.sub("", file.read_text())
        comments = [line for line in text.splitlines() if line.startswith("#")]
        if own or comments:
            texts.append(text if own else "\n".join(comments))
        values |= own
        home |= dict.fromkeys(own, file)
    return texts, values


def _plain(file: Path) -> dict[str, Any]:
    values = read_mapping(file)
    if "${" in yaml.safe_dump(values):
        raise ValueError(
            f"{file} has an interpolation, ${{...}}, which DVC does not read: write the value itself."
        )
    return values


def _verify(text: str, values: Mapping[str, Any], folder: Path) -> None:
    try:
        names = re.findall(r"^(\w+):", text, re.MULTILINE)
        merged = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(
            f"The files of {folder} cannot be joined line by line: merge them by hand. ({error})"
        ) from error
    kept = {group: inside for group, inside in merged.items() if inside != {}}
    if kept != values or len(set(names)) != len(names):
        raise ValueError(f"The files of {folder} do not join line by line: merge them by hand.")
