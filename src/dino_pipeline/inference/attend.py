"""Draw where a model looks in images, and cut out the foreground by its attention."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels, UnreadableImageError
from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, feature_colors, most_attended
from dino_pipeline.dino.evaluation.sizes import cell_size, fitted, resized
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.inference.loading import Say, load
from dino_pipeline.ingestion.sources.folder import list_folder
from dino_pipeline.plotting.panels import overlay
from dino_pipeline.plotting.pixels import visible

MaskRule = Literal["mean", "union", "heads"]


class DrawnImage(NamedTuple):
    """An image and its overview picture, or the reason why it has none."""

    image: Path
    overview: Path | None
    problem: str


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
) -> Iterator[DrawnImage]:
    """Draw an image, or every image of a folder, into a folder of its own.

    Args:
        images: an image, or a folder that is searched with its subfolders; files that are no whole image are left out.
        model: any name that `load_model` accepts.
        folder: gets <name of the image>/<picture>.png, and masks/ for `masks`.
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
    found = load(model, project, overrides=overrides, say=say)
    config, backbone = found.description.config, found.backbone
    read_as = from_dict(ImagesConfig, config["images"])
    settings: Any = {"size": size, "mass": mass, "statistics": PixelStatistics(config["mean"], config["std"])}
    names = [file.name for file in list_folder(images).files] if images.is_dir() else [""]
    mask_names: set[str] = set()
    for name in names:
        path = images / name
        try:
            image = decode_image(path.read_bytes(), read_as)
        except UnreadableImageError as error:
            yield DrawnImage(path, None, str(error))
            continue
        if masks:
            file_name = mask_name(name or path.name, mask_names)
            mask_names.add(file_name)
            for kind, mask in foreground_masks(backbone, image, rule=masks, **settings).items():
                file = folder / "masks" / kind / file_name
                file.parent.mkdir(parents=True, exist_ok=True)
                mask.save(file)
        drawn = pictures(backbone, image, **settings)
        own = folder / (name or path.name)  # with its suffix: cat.jpg may be beside cat.png
        own.mkdir(parents=True, exist_ok=True)
        for title, picture in {**drawn, "overview": overview(drawn)}.items():
            picture.save(own / f"{title}.png")
        yield DrawnImage(path, own / "overview.png", "")


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
    found = {"image": shown}
    if isinstance(backbone, ViTBackbone):
        attention = class_attention(backbone, inputs)[0]
        masks = most_attended(attention, mass)
        for head, (heat, mask) in enumerate(zip(attention, masks, strict=True), start=1):
            found[f"head_{head}_attention"] = overlay(
                shown, _enlarged(heat[None], height, width, "bilinear")[..., 0]
            )
            found[f"head_{head}_mask"] = _masked(
                shown, _enlarged(mask[None].float(), height, width, "nearest")
            )
        mean_heat = attention.mean(dim=0, keepdim=True)
        found["mean_attention"] = overlay(shown, _enlarged(mean_heat, height, width, "bilinear")[..., 0])
    colors = feature_colors(backbone, inputs)[0].permute(2, 0, 1)
    found["features"] = _enlarged(colors, height, width, "nearest")
    return {
        name: Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))
        for name, values in found.items()
    }


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
        raise ValueError(
            "--masks needs a ViT, whose [CLS] token attends to patches: this network has no such attention"
        )
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
