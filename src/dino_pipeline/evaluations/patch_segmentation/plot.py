"""Plot images, their masks, and the predictions of the linear heads."""

from collections.abc import Mapping

from PIL import Image
from torch import Tensor

from dino_pipeline.dino.evaluation.voc import MaskedImages
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.plotting.grids import grid
from dino_pipeline.plotting.pixels import colored


def shown_ids(images: MaskedImages, num_shown: int) -> tuple[str, ...]:
    """Ids of some images, spread evenly over the list."""
    return tuple(images.ids[position] for position in evenly_spaced(len(images), num_shown))


def picture(
    images: MaskedImages, predicted: Mapping[str, Mapping[str, Tensor]], shown: tuple[str, ...]
) -> Image.Image:
    """A row per image: the image, its mask, the prediction of each network's linear head.

    Args:
        predicted: by network and id, uint8 [height, width].
    """
    rows = []
    for id_ in shown:
        image, mask = images.read(id_)
        rows.append(
            [
                ("image", image / 255),
                ("truth", colored(image, mask)),
                *(
                    (f"{name}, linear head", colored(image, masks[id_].numpy()))
                    for name, masks in predicted.items()
                ),
            ]
        )
    return grid(rows, shown, cell=(2.4, 1.8))
