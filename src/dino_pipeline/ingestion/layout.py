"""Read splits and classes from the folders that contain the images."""

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import SPLITS
from dino_pipeline.ingestion.config import GroupConfig
from dino_pipeline.ingestion.split_names import (
    PLAIN,
    Given,
    SplitNames,
    described,
    doubt,
    how_to_change,
    read_split_names,
    refuse_doubt,
)

logger = logging.getLogger(__name__)

_DEEP = {*PLAIN, *(name.capitalize() for name in PLAIN), *(name.upper() for name in PLAIN)}

Parts = tuple[str, ...]


class Place(NamedTuple):
    """The split, label, folders and group of an image."""

    split: str | None  # None: the image is beside the split folders
    label: str | None
    folders: Parts = ()  # its folders below the split's folder, else below the source
    group: str | None = None  # set where the source itself gives one


def arrange(names: Sequence[str], folders: Collection[str], given: Given | None = None) -> list[Place]:
    """Find split and label of each image from its name below the source.

    Folders named train, val (valid, validation) and test are splits, and so are those that `read_split_names`
    recognises; a guess is logged. The first folder below a split is the class, as in torchvision's ImageFolder.
    Splits below each class (cat/train) are read too. A single folder around everything counts as neither, so a lone
    class gives no label. Without split folders every image is in train.

    Args:
        names: names of the images, "/" between parts.
        folders: all folders of the source, empty ones included.
        given: `ingest.splits`.

    Raises:
        ValueError: a split folder has no images, the split folders lack train, or it is in doubt whether a folder is a
            split or a class.
    """
    given = given or {}
    whole = [_parts(name) for name in names]
    images, kept_folders = _inside_shared_folder(whole, [_parts(f) for f in folders], given)
    splits = _split_folders(images, kept_folders, given)
    if splits is None:
        labels, _ = _inside_shared_folder(images, [], given)
        nested = _splits_in_classes(labels, given)
        return [
            Place("train", _class_of(inner), parts[:-1])
            if nested is None
            else Place(nested[inner[1]], inner[0], (inner[0], *inner[2:-1]))
            for inner, parts in zip(labels, whole, strict=True)
        ]

    _check_splits(images, kept_folders, splits)
    found = [splits.get(parts[0]) if len(parts) > 1 else None for parts in images]
    inside = _without_repeated_split([p for p, s in zip(images, found, strict=True) if s], splits)
    inner = iter(_inside_shared_folder([parts[1:] for parts in inside], [], given)[0])
    return [
        Place(split, _class_of(next(inner)), parts[1:-1]) if split else Place(None, None)
        for split, parts in zip(found, images, strict=True)
    ]


def group_of(name: str, place: Place, config: GroupConfig | None) -> str | None:
    """The group that the source gives, else the group that a level or a pattern finds in the path, else None.

    Args:
        name: name of the image, "/" between parts.
    """
    if place.group is not None or config is None:
        return place.group
    if config.level is not None:
        return place.folders[config.level - 1] if config.level <= len(place.folders) else None
    assert config.pattern is not None
    match = re.search(config.pattern, name)
    if match is None:
        return None
    found: str | None = match["group"] if "group" in match.re.groupindex else match[1]
    return found or None


def _parts(name: str) -> Parts:
    return tuple(name.split("/"))


def _class_of(parts: Parts) -> str | None:
    return parts[0] if len(parts) > 1 else None


def _inside_shared_folder(
    images: list[Parts], folders: list[Parts], given: Given
) -> tuple[list[Parts], list[Parts]]:
    while True:
        tops = {parts[0] for parts in images if len(parts) > 1}
        if len(tops) != 1 or read_split_names(tops, given).splits:
            return images, folders
        shared = tops.pop()
        images = [parts[1:] if len(parts) > 1 else parts for parts in images]
        folders = [parts[1:] for parts in folders if parts[0] == shared and len(parts) > 1]


def _without_repeated_split(images: list[Parts], splits: Mapping[str, str]) -> list[Parts]:
    """The images of split folders without a second folder of the same split: seg_train/seg_train/cat/1.jpg."""
    below: dict[str, set[str]] = defaultdict(set)
    for parts in images:
        below[parts[0]].add(parts[1] if len(parts) > 2 else "")
    repeated = {top for top, inner in below.items() if {splits.get(name) for name in inner} == {splits[top]}}
    return [parts[1:] if parts[0] in repeated else parts for parts in images]


def _split_folders(images: list[Parts], folders: list[Parts], given: Given) -> dict[str, str] | None:
    """The split of each split folder; None if the first folders are classes, or there are none.

    Raises:
        ValueError: it is in doubt.
    """
    filled = {parts[0] for parts in images if len(parts) > 1}
    empty = {parts[0] for parts in folders if read_split_names({parts[0]}, given).splits}
    names = read_split_names(filled | empty, given)
    others = sorted(filled - set(names.splits))
    answered = {name.casefold() for name, split in given.items() if split}
    if len(names.found) > 1 or (
        names.splits and (not others or answered & set(map(str.casefold, names.splits)))
    ):
        _say(names, others)
        return names.splits
    refuse_doubt(names, filled)
    if names.splits:
        has_classes = any(len(parts) > 2 and parts[0] in names.splits for parts in images)
        if names.found != {"train"} or names.guessed or has_classes:
            raise doubt(sorted(names.splits), filled)
    for name in [*names.splits, *names.perhaps]:
        # "train" is also a vehicle: CIFAR-100 and VOC have such a class
        logger.warning(
            "The folder %s is read as a class, like the folders beside it: %s. If it is a split, set ingest.splits.%s",
            name,
            ", ".join(sorted(filled - {name})[:5]),
            name,
        )
    return None


def _splits_in_classes(images: list[Parts], given: Given) -> dict[str, str] | None:
    """The split of each second folder, where each class has folders for its splits; None without such folders.

    Raises:
        ValueError: only some images are in such a folder, or the splits are further down.
    """
    second = {parts[1] for parts in images if len(parts) > 2}
    names = read_split_names(second, given)
    unclear = names.unclear if second == {*names.splits, *names.unclear} else []
    if names.found <= {"train"} and not unclear:
        deep = read_split_names({part for parts in images for part in parts[2:-1] if part in _DEEP}, given)
        if deep.found - {"train"}:
            raise doubt(sorted(deep.splits), second)
        return None
    if any(len(parts) < 3 or parts[1] not in names.splits for parts in images):
        raise doubt([*names.splits, *unclear], second)
    if not set(map(str.casefold, names.splits)) <= set(map(str.casefold, given)):
        logger.warning(
            "The folders in each class are read as splits: %s. %s",
            described(names, names.splits),
            how_to_change(names),
        )
    return names.splits


def _say(names: SplitNames, others: Sequence[str]) -> None:
    if names.guessed:
        logger.warning(
            "Folders are read as splits: %s%s. %s",
            described(names, names.splits),
            f"; not read: {', '.join(others[:5])}" if others else "",
            how_to_change(names),
        )


def _check_splits(images: list[Parts], folders: list[Parts], splits: Mapping[str, str]) -> None:
    filled = {splits[parts[0]] for parts in images if len(parts) > 1 and parts[0] in splits}
    for folder in sorted({parts[0] for parts in folders if parts[0] in splits}):
        if splits[folder] not in filled:
            raise ValueError(
                f"the split folder {folder!r} has no usable image: add some, or remove the folder, and ingest "
                "carves the split by ingest.validation_fraction or ingest.test_fraction."
            )
    if SPLITS[0] not in filled:
        raise ValueError(
            f"there is no train folder, only {', '.join(sorted(filled))}: name the folder of training images "
            "'train', or set ingest.splits.FOLDER to train."
        )
