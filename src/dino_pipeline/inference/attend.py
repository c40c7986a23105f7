"""Draw where a model looks in images, and cut out the foreground by its attention."""

from collections.abc import Container, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images import DeepPixels, UnreadableImageError
from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, feature_colors, most_attended
from dino_pipeline.dino.evaluation.sizes import cell_size, fitted, resized
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.dino.progress import with_progress
from dino_pipeline.inference.images import LeftOut, limits, listed, said_of
from dino_pipeline.inference.loading import Say, ingest_values, load
from dino_pipeline.ingestion.reading import decode, read_bytes
from dino_pipeline.ingestion.sources.folder import OUTPUT_MARK
from dino_pipeline.plotting.panels import overlay
from dino_pipeline.plotting.pixels import visible

_NO_ATTENTION = (
    "--masks needs a ViT, whose [CLS] token attends to patches: this network has no such attention"
)

MaskRule = Literal["mean", "union", "heads"]


_MAX_PATCHES = 65_536  # 4,096 x 4,096 px in patches of 16: work grows with the square of their number


class Attended(NamedTuple):
    """What `attend` read and drew.

    Attributes:
        overviews: the overview picture of each image, by the image's path.
        left_out: the files without pictures.
        num_files: number of files read.
    """

    overviews: dict[Path, Path]
    left_out: list[LeftOut]
    num_files: int


def attend(
    images: Path,
    model: str,
    folder: Path,
    *,
    size: int,
    mass: float,
    masks: MaskRule | None,
    overrides: Mapping[str, Any],
    project: Path | None,
    say: Say = lambda line: None,  # noqa: ARG005
) -> Attended:
    """Draw every image of a folder, an archive or a list, or one image, into a folder of its own.

    A file that cannot be drawn is left out, and the others are drawn.

    Args:
        images: a folder that is searched with its subfolders, an archive, a list, or an image.
        model: any name that `load_model` accepts.
        folder: gets <name of the image>/<picture>.png, and masks/ for `masks`. It is no input of later commands.
        size: shorter side that the network sees, in px.
        mass: share of the attention that a mask keeps.
        masks: see `foreground_masks`; None: no masks of the image's size.
        overrides: nested values of `model`, for weights from elsewhere.
        project: the folder in which the model is looked up; None outside of projects.
        say: receives a line for each thing that was guessed or left out.

    Raises:
        ValueError: the images or the model do not exist, a value is out of range, or `masks` needs a ViT.
    """
    if not images.exists():
        raise ValueError(f"{images} does not exist")
    if size < 1 or not 0 < mass <= 1:
        raise ValueError("--size must be a number of pixels, and --threshold a share above 0 and at most 1")
    if folder.resolve() == images.resolve():
        raise ValueError(f"--output is the folder of the images, {images}: give another one")
    found = load(model, project, overrides=overrides, say=say)
    config, backbone = found.description.config, found.backbone
    read_as = from_dict(ImagesConfig, config["images"])
    settings: Any = {"size": size, "mass": mass, "statistics": PixelStatistics(config["mean"], config["std"])}
    if masks and not isinstance(backbone, ViTBackbone):
        raise ValueError(_NO_ATTENTION)
    ingest = ingest_values(project)
    limited = limits(ingest, read_as)
    overviews: dict[Path, Path] = {}
    left_out: list[LeftOut] = []
    mask_names: set[str] = set()
    is_ours = not folder.exists() or not any(folder.iterdir()) or (folder / OUTPUT_MARK).exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_ours:
        (folder / OUTPUT_MARK).touch()
    with listed(images, ingest, outputs=[folder], scratch=folder) as listing:
        said_of(listing, say)
        for file in with_progress(listing.files, "attend", unit="images"):
            name = _inside(file.name)
            try:
                image = decode(read_bytes(file, limited), limited)
                _check_patches(image, backbone, size)
                if masks:
                    made = foreground_masks(backbone, image, rule=masks, **settings)
                drawn = pictures(backbone, image, **settings)
                sheet = overview(drawn)
            except UnreadableImageError as error:
                left_out.append(LeftOut(file.name, str(error)))
                continue
            except (MemoryError, RuntimeError) as error:  # PyTorch raises the latter
                if isinstance(error, RuntimeError) and "memory" not in str(error):
                    raise
                problem = (
                    f"too many pixels: the attention does not fit into memory; give a --size below {size}"
                )
                left_out.append(LeftOut(file.name, problem))
                continue
            if masks:
                file_name = mask_name(name, mask_names)
                mask_names.add(file_name)
                for kind, mask in made.items():
                    target = folder / "masks" / kind / file_name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    mask.save(target)
            own = folder / name  # with its suffix: cat.jpg may be beside cat.png
            own.mkdir(parents=True, exist_ok=True)
            if not is_ours:
                (own / OUTPUT_MARK).touch()
            for title, picture in {**drawn, "overview": sheet}.items():
                picture.save(own / f"{title}.png")
            overviews[Path(file.path) if file.member is None else Path(file.path) / file.name] = (
                own / "overview.png"
            )
    return Attended(overviews, left_out, len(listing.files))


def _inside(name: str) -> str:
    """A name as a path below the output: a list may name files anywhere."""
    return str(PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", ".."))))


def _check_patches(image: DeepPixels, backbone: Backbone, size: int) -> None:
    """Raise `UnreadableImageError` if the network would see more patches than it can attend to in bounded time."""
    patch = cell_size(backbone)
    height, width = fitted(*image.shape[:2], size=size, patch=patch)
    rows, columns = height // patch, width // patch
    if rows * columns <= _MAX_PATCHES:
        return
    short, long = sorted(image.shape[:2])
    fitting = int((_MAX_PATCHES * short / long) ** 0.5) * patch
    remedy = f"give --size={fitting} or less" if fitting else "cut the image into parts"
    raise UnreadableImageError(
        "too many pixels",
        f"at --size={size} its {image.shape[1]}x{image.shape[0]} px are {columns:,} x {rows:,} patches, more than "
        f"{_MAX_PATCHES:,}: {remedy}",
    )


def pictures(
    backbone: Backbone,
    image: DeepPixels,
    *,
    size: int,
    mass: float,
    statistics: PixelStatistics,
) -> dict[str, Image.Image]:
    """Pictures by name: the image as the network sees it, each head's attention and mask (ViT), the features' colours.

    Args:
        backbone: in evaluation mode, on CPU.
        size: shorter side in px; both sides are rounded to whole patches.
        mass: share of each head's attention that its mask keeps.
        statistics: mean and std of the training.
    """
    height, width = fitted(*image.shape[:2], size=size, patch=cell_size(backbone))
    pixels = resized(image, height, width)
    inputs = normalise(pixels, *statistics)
    shown = visible(pixels[0].permute(1, 2, 0).numpy()) / 255
    found = {"image": _picture(shown)}
    if isinstance(backbone, ViTBackbone):
        attention = class_attention(backbone, inputs)[0]
        masks = most_attended(attention, mass)
        for head, (heat, mask) in enumerate(zip(attention, masks, strict=True), start=1):
            enlarged = _enlarged(heat[None], height, width, "bilinear")[..., 0]
            found[f"head_{head}_attention"] = _picture(overlay(shown, enlarged))
            kept = _enlarged(mask[None].float(), height, width, "nearest")
            found[f"head_{head}_mask"] = _picture(_masked(shown, kept))
        mean_heat = _enlarged(attention.mean(dim=0, keepdim=True), height, width, "bilinear")[..., 0]
        found["mean_attention"] = _picture(overlay(shown, mean_heat))
    colors = feature_colors(backbone, inputs)[0].permute(2, 0, 1)
    found["features"] = _picture(_enlarged(colors, height, width, "nearest"))
    return found


def foreground_masks(
    backbone: Backbone,
    image: DeepPixels,
    *,
    rule: MaskRule,
    size: int,
    mass: float,
    statistics: PixelStatistics,
) -> dict[str, Image.Image]:
    """Black and white masks at the image's own size, by the name of their folder.

    Args:
        backbone: in evaluation mode, on CPU.
        rule: `mean`, the patches that hold `mass` of the heads' mean attention; `union`, those that any
            head's own mask keeps; both in the folder "". `heads`, a mask for each head, in head_1 and so on.
        size: shorter side that the network sees, in px; both sides are rounded to whole patches.
        mass: share of the attention that a mask keeps.
        statistics: mean and std of the training.

    Raises:
        ValueError: the network has no attention of [CLS].
    """
    if not isinstance(backbone, ViTBackbone):
        raise ValueError(_NO_ATTENTION)
    height, width = fitted(*image.shape[:2], size=size, patch=cell_size(backbone))
    attention = class_attention(backbone, normalise(resized(image, height, width), *statistics))[0]
    if rule == "mean":
        masks = {"": most_attended(attention.mean(dim=0), mass)}
    elif rule == "union":
        masks = {"": most_attended(attention, mass).any(dim=0)}
    else:
        masks = {f"head_{head}": mask for head, mask in enumerate(most_attended(attention, mass), start=1)}
    own_size = image.shape[:2]
    return {
        folder: Image.fromarray(
            F.interpolate(mask[None, None].to(torch.uint8), own_size)[0, 0].bool().numpy()
        )
        for folder, mask in masks.items()
    }


def mask_name(image: str, taken: Container[str]) -> str:
    """The name of an image's mask: cat.png for cat.jpg, and cat.jpg.png if that name is taken."""
    name = str(PurePosixPath(image).with_suffix(".png"))
    return name if name not in taken else f"{image}.png"


def overview(named: dict[str, Image.Image]) -> Image.Image:
    """All pictures side by side: the image, attention and features in the first row, the masks below."""
    first = [picture for name, picture in named.items() if not name.endswith("_mask")]
    masks = [picture for name, picture in named.items() if name.endswith("_mask")]
    width, height = first[0].size
    sheet = Image.new("RGB", (width * len(first), height * (2 if masks else 1)), "white")
    for column, picture in enumerate(first):
        sheet.paste(picture, (column * width, 0))
    for column, picture in enumerate(masks, start=1):  # below the attention of the same head
        sheet.paste(picture, (column * width, height))
    return sheet


def _picture(values: NDArray[Any]) -> Image.Image:
    """Values in [0, 1] as an image. Floats of a large picture take eight times the memory."""
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))


def _enlarged(maps: torch.Tensor, height: int, width: int, mode: str) -> NDArray[Any]:
    """[channels, rows, columns] to [height, width, channels]."""
    enlarged: NDArray[Any] = (
        F.interpolate(maps[None].float(), (height, width), mode=mode)[0].permute(1, 2, 0).numpy()
    )
    return enlarged


def _masked(image: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """The image inside the mask, and its grey shadow outside."""
    shadow = 0.15 + 0.25 * image.mean(axis=-1, keepdims=True)
    return np.where(mask > 0, image, shadow)
