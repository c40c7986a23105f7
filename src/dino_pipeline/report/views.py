"""The views of some images as the network saw them in its first epoch."""

from dataclasses import dataclass
from typing import Any

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import multi_crop
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.plotting.pixels import png_data_uri, visible
from dino_pipeline.report.thumbnails import Picture, thumbnail

_SHOWN_WIDTH = 96  # of a global view, in the page's pixels


@dataclass(frozen=True, kw_only=True)
class ImageViews:
    """An image with all its views."""

    original: Picture
    global_views: list[Picture]
    local_views: list[Picture]


def first_views(images: Manifest, pretrain: dict[str, Any], *, thumbnail_size: int) -> list[ImageViews]:
    """The views of epoch 0, which seed, image and index address: no training is needed to see them again.

    Args:
        images: of the train split.
        pretrain: the model's training parameters.
        thumbnail_size: of the untouched image, in pixels.
    """
    config = from_dict(MultiCropConfig, pretrain["multi_crop"])
    read_as = from_dict(ImagesConfig, pretrain["images"])
    scale = _SHOWN_WIDTH / config.global_crop_size
    shown = []
    for position, row in enumerate(images.row_ids):
        image = decode_image(images.read_bytes(position), read_as)
        views = multi_crop(image, config, seed=pretrain["seed"], epoch=0, row=int(row))
        global_views, local_views = (
            [
                Picture(
                    source=png_data_uri(visible(view, like=image)),
                    width=round(len(view) * scale),
                    text=f"{kind} view {index}",
                )
                for index, view in enumerate(crops, start=1)
            ]
            for kind, crops in (("global", views.global_crops), ("local", views.local_crops))
        )
        shown.append(
            ImageViews(
                original=thumbnail(images, position, read_as, thumbnail_size),
                global_views=global_views,
                local_views=local_views,
            )
        )
    return shown
