"""Small pictures of images."""

from dataclasses import dataclass

from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.plotting.pixels import jpeg_data_uri, visible


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in the page."""

    source: str  # a data URI
    text: str  # what it shows
    width: int  # in the page's pixels


def thumbnail(images: Manifest, position: int, read_as: ImagesConfig, size: int) -> Picture:
    """The central square of an image; a small image is not enlarged, the page does that."""
    image = decode_image(images.read_bytes(position), read_as)
    side = min(size, *image.shape[:2])
    neutral = (0.0,) * read_as.channels
    crop = evaluation_crop(
        image, EvaluationTransformConfig(resize=side, crop=side, images=read_as, mean=neutral, std=neutral)
    )
    label = images.labels[position]
    return Picture(source=jpeg_data_uri(visible(crop.permute(1, 2, 0).numpy())), text=label or "", width=size)
