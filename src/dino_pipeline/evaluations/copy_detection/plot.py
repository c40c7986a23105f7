"""Plot originals with their copies, and the place at which a search with each copy found the original."""

from PIL import Image

from dino_pipeline.dino.evaluation.copy_detection.config import CopyPictureConfig
from dino_pipeline.dino.evaluation.copy_detection.copydays import Copydays
from dino_pipeline.dino.evaluation.copy_detection.detect import Ranks
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.plotting.grids import Tile, image_grid, tile


def copies_picture(copydays: Copydays, ranks: Ranks, config: CopyPictureConfig) -> Image.Image:
    """A row per original, evenly spaced, with copies spread evenly over the attacks. Right means place 1."""
    return image_grid(
        [
            [
                tile(copydays.originals, original, size=config.image_size, caption="original"),
                *_copies(copydays, ranks, original, config),
            ]
            for original in evenly_spaced(len(copydays.originals), config.num_originals).tolist()
        ]
    )


def _copies(copydays: Copydays, ranks: Ranks, original: int, config: CopyPictureConfig) -> list[Tile]:
    found = [
        (attack, position)
        for attack, copies in copydays.attacks.items()
        for position, source in enumerate(copies.originals)
        if source == original
    ]
    shown = []
    for attack, position in (found[index] for index in evenly_spaced(len(found), config.num_copies)):
        rank = int(ranks[attack][position])
        shown.append(
            tile(
                copydays.attacks[attack].images,
                position,
                size=config.image_size,
                caption=f"{attack}: {rank}",
                is_right=rank == 1,
            )
        )
    return shown
