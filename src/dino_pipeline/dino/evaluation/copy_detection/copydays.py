"""The layout of Copydays (Douze et al., CIVR 2009, https://lear.inrialpes.fr/~jegou/data.php#copydays).

original/ contains the images; strong/, jpegqual/<quality>/ and crops/<percent>/ contain their copies. The first four
characters of a file's name identify its original.
"""

from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.image_files import all_readable, images_in

_GRADED = ("jpegqual", "crops")  # kinds of attack with a folder for each strength


class Copies(NamedTuple):
    """The copies of one attack, and the position of each copy's original among the originals."""

    images: Manifest
    originals: list[int]


class Copydays(NamedTuple):
    """Originals, and copies by attack: `strong`, `jpegqual/5`, ..., `crops/80`."""

    originals: Manifest
    attacks: dict[str, Copies]


def read_copydays(folder: Path) -> Copydays:
    """List the data set's files.

    Raises:
        ValueError: the folder does not have this layout, a copy has no original, or an image cannot be read.
    """
    if not (folder / "original").is_dir():
        raise ValueError(
            f"copy_detection.folder: {folder} has no original/; give a folder in the layout of Copydays, with "
            "original/, strong/, jpegqual/<quality>/, crops/<percent>/"
        )
    originals = all_readable(images_in(folder / "original"))
    groups = {_group(name): position for position, name in enumerate(_names(originals))}
    if len(groups) < len(originals):
        raise ValueError(
            f"two files of {folder / 'original'} begin with the same four characters, but these identify an "
            "original: rename one"
        )
    attacks = {}
    for attack in _attacks(folder):
        images = all_readable(images_in(folder / attack))
        strangers = [name for name in _names(images) if _group(name) not in groups]
        if strangers:
            raise ValueError(
                f"{folder / attack / strangers[0]} is not a copy of any file in original/: its first four characters "
                "name the original"
            )
        attacks[attack] = Copies(images, [groups[_group(name)] for name in _names(images)])
    if not attacks:
        raise ValueError(f"{folder} has no copies: add strong/, jpegqual/<quality>/ or crops/<percent>/")
    return Copydays(originals, attacks)


def kind(attack: str) -> str:
    """The kind of an attack: `jpegqual` for `jpegqual/5`."""
    return attack.partition("/")[0]


def _attacks(folder: Path) -> list[str]:
    found = ["strong"] if (folder / "strong").is_dir() else []
    for name in _GRADED:
        if (folder / name).is_dir():
            strengths = [entry.name for entry in (folder / name).iterdir() if entry.name.isdecimal()]
            found += [f"{name}/{strength}" for strength in sorted(strengths, key=int)]
    return found


def _names(images: Manifest) -> list[str]:
    names: list[str] = images.table["path"].to_pylist()
    return names


def _group(name: str) -> str:
    return name[:4]
