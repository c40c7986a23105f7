"""Images with masks in the layout of PASCAL VOC (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/#devkit).

JPEGImages/<id>.jpg
SegmentationClass/<id>.png           a class per pixel, as a palette index or grey level; 0 background, 255 void
SegmentationObject/<id>.png          an object per pixel, in the same form
ImageSets/Segmentation/<split>.txt   one id per line
"""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dino_pipeline.dino.core.data.images import Pixels
from dino_pipeline.dino.evaluation.image_files import read_rgb
from dino_pipeline.dino.tables.reading import read_text

MaskFolder = Literal["SegmentationClass", "SegmentationObject"]
BACKGROUND, VOID = 0, 255

_IMAGES = "JPEGImages"
_LISTS = Path("ImageSets") / "Segmentation"
_MASK_MODES = ("1", "L", "P")  # one number per pixel; other modes hold colours, which stand for no class


@dataclass(frozen=True)
class MaskedImages:
    """Images of a list, each with a mask of equal size.

    Attributes:
        folder: contains JPEGImages and the other folders.
        ids: distinct names without suffix.
        masks: the folder of the masks.
    """

    folder: Path
    ids: tuple[str, ...]
    masks: MaskFolder

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, ids: tuple[str, ...]) -> "MaskedImages":
        """The images with these ids, in this order."""
        return replace(self, ids=ids)

    def image(self, name: str) -> Pixels:
        """RGB, uint8 [height, width, 3].

        Raises:
            ValueError: the file does not decode.
        """
        return read_rgb(self.folder / _IMAGES / f"{name}.jpg")

    def mask(self, name: str) -> NDArray[np.uint8]:
        """Classes or objects, uint8 [height, width].

        Raises:
            ValueError: the file is not such a mask.
        """
        path = self.folder / self.masks / f"{name}.png"
        try:
            with Image.open(path, formats=("PNG",)) as mask:
                if mask.mode not in _MASK_MODES:
                    raise ValueError(
                        f"{path} has {mask.mode} pixels: a mask must have a palette or be 8-bit grey"
                    )
                return np.array(mask).astype(np.uint8)
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise ValueError(
                f"{path} cannot be read ({error}): repair it or remove its id from the list"
            ) from error

    def read(self, name: str) -> tuple[Pixels, NDArray[np.uint8]]:
        """An image and its mask.

        Raises:
            ValueError: one of them cannot be read, or their sizes differ.
        """
        image, mask = self.image(name), self.mask(name)
        if image.shape[:2] != mask.shape:
            raise ValueError(
                f"{name}: the image has {image.shape[1]}x{image.shape[0]} pixels, but the mask in {self.masks} "
                f"has {mask.shape[1]}x{mask.shape[0]}: they must be equal"
            )
        return image, mask


def list_masked_images(
    folder: str | None,
    split: str,
    *,
    masks: MaskFolder,
    project_folder: Path,
    parameter: str,
    split_parameter: str,
) -> MaskedImages:
    """The images of a list, after a check that all files exist.

    Args:
        folder: the parameter's value; a relative path starts at `project_folder`.
        split: a list's name, without suffix.
        masks: the folder of the masks.
        project_folder: start of relative paths.
        parameter: the name of the folder's parameter, for messages.
        split_parameter: the name of the list's parameter, for messages.

    Raises:
        ValueError: no folder is given, it does not have VOC's layout, a listed file is missing, or an id points
            out of the folder.
    """
    if folder is None:
        raise ValueError(
            f"{parameter} is not set: give a folder in the layout of PASCAL VOC ({_IMAGES}, {masks}, {_LISTS}), "
            f"--params={parameter}=/path/to/VOC2012"
        )
    root = project_folder / Path(folder).expanduser()
    list_file = root / _LISTS / f"{split}.txt"
    if not list_file.is_file():
        lists = ", ".join(sorted(file.stem for file in (root / _LISTS).glob("*.txt")))
        raise ValueError(
            f"{parameter}: {list_file} does not exist: give a folder in the layout of PASCAL VOC, and set "
            f"{split_parameter} to one of its lists ({lists or 'it has none'}). A relative path starts at "
            f"{project_folder}."
        )
    ids = tuple(dict.fromkeys(line.strip() for line in read_text(list_file).splitlines() if line.strip()))
    if not ids:
        raise ValueError(f"{parameter}: {list_file} is empty: write an image's id on each line")
    for name in ids:
        _refuse_outside(name, list_file)
    expected = [
        root / kind / f"{name}{suffix}"
        for name in ids
        for kind, suffix in ((_IMAGES, ".jpg"), (masks, ".png"))
    ]
    missing = [path for path in expected if not path.is_file()]
    if missing:
        raise ValueError(
            f"{parameter}: {len(missing)} files of {list_file} are missing, such as {missing[0]}: add them, or "
            "remove their ids from the list"
        )
    return MaskedImages(root, ids, masks)


def _refuse_outside(name: str, list_file: Path) -> None:
    spelled = PurePosixPath(name.replace("\\", "/"))
    if spelled.is_absolute() or ".." in spelled.parts or name[1:2] == ":":
        raise ValueError(f"{list_file} is refused: its id {name!r} points outside the folder")
