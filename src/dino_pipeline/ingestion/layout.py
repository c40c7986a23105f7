"""Read splits and classes from the folders that contain the images."""

import logging
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import SPLITS
from dino_pipeline.ingestion.config import GroupConfig

logger = logging.getLogger(__name__)

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

Parts = tuple[str, ...]


class Place(NamedTuple):
    """The split, label, folders and group of an image."""

    split: str | None  # None: the image is beside the split folders
    label: str | None
    folders: Parts = ()  # its folders below the split's folder, else below the source
    group: str | None = None  # set where the source itself gives one


def arrange(names: Sequence[str], folders: Collection[str]) -> list[Place]:
    """Find split and label of each image from its name below the source.

    Folders named train, val (valid, validation) and test are splits. The first folder below a split is the class, as
    in torchvision's ImageFolder. A single folder around everything counts as neither, so a lone class gives no
    label. Without split folders every image is in train.

    Args:
        names: names of the images, "/" between parts.
        folders: all folders of the source, empty ones included.

    Raises:
        ValueError: a split folder has no images, or the split folders lack train.
    """
    whole = [_parts(name) for name in names]
    images, kept_folders = _inside_shared_folder(whole, [_parts(f) for f in folders])
    if not _has_split_folders(images, kept_folders):
        labels, _ = _inside_shared_folder(images, [])
        return [
            Place("train", _class_of(inner), parts[:-1]) for inner, parts in zip(labels, whole, strict=True)
        ]

    _check_splits(images, kept_folders)
    splits = [_split_of(parts) for parts in images]
    inner = iter(_inside_shared_folder([p[1:] for p, s in zip(images, splits, strict=True) if s], [])[0])
    return [
        Place(split, _class_of(next(inner)), parts[1:-1]) if split else Place(None, None)
        for split, parts in zip(splits, images, strict=True)
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


def _split_of(parts: Parts) -> str | None:
    return SPLIT_NAMES.get(parts[0].lower()) if len(parts) > 1 else None


def _inside_shared_folder(images: list[Parts], folders: list[Parts]) -> tuple[list[Parts], list[Parts]]:
    while True:
        tops = {parts[0] for parts in images if len(parts) > 1}
        if len(tops) != 1 or tops.pop().lower() in SPLIT_NAMES:
            return images, folders
        shared = next(parts[0] for parts in images if len(parts) > 1)
        images = [parts[1:] if len(parts) > 1 else parts for parts in images]
        folders = [parts[1:] for parts in folders if parts[0] == shared and len(parts) > 1]


def _has_split_folders(images: list[Parts], folders: list[Parts]) -> bool:
    tops = {parts[0] for parts in images if len(parts) > 1} | {
        parts[0] for parts in folders if parts[0].lower() in SPLIT_NAMES
    }
    splits = {top for top in tops if top.lower() in SPLIT_NAMES}
    classes = tops - splits
    if len(splits) == 1 and classes:
        # "train" is also a vehicle: CIFAR-100 and VOC have such a class
        logger.warning(
            "The folder %s is read as a class, like the folders beside it: %s",
            *splits,
            ", ".join(sorted(classes)[:5]),
        )
        return False
    return bool(splits)


def _check_splits(images: list[Parts], folders: list[Parts]) -> None:
    filled = {_split_of(parts) for parts in images}
    for folder in sorted({parts[0] for parts in folders if parts[0].lower() in SPLIT_NAMES}):
        if SPLIT_NAMES[folder.lower()] not in filled:
            raise ValueError(
                f"the split folder {folder!r} has no usable image: add some, or remove the folder, and ingest "
                "carves the split by ingest.validation_fraction or ingest.test_fraction."
            )
    if SPLITS[0] not in filled:
        raise ValueError(
            f"there is no train folder, only {', '.join(sorted(s for s in filled if s))}: "
            "name the folder of training images 'train'."
        )
