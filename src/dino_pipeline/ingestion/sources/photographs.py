"""Cut the photographs inside the scikit-image and scikit-learn wheels into tiles: real images, without a network."""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.images import Pixels, decode_rgb
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.ingestion.config import PhotographsConfig
from dino_pipeline.ingestion.sources.generated_folder import write_once

# The wheels' other pictures are left out: charts, patterns, drawings, logos, the second half of the stereo pair, one
# too small to split, and two that are nearly uniform grey (clock_motion, and cell, which is held out whole).
PHOTOGRAPHS = {
    "astronaut": "skimage/data/astronaut.png",
    "brick": "skimage/data/brick.png",
    "camera": "skimage/data/camera.png",
    "cat": "skimage/data/chelsea.png",
    "coffee": "skimage/data/coffee.png",
    "coins": "skimage/data/coins.png",
    "dahlia": "sklearn/datasets/images/flower.jpg",
    "galaxies": "skimage/data/hubble_deep_field.jpg",
    "grass": "skimage/data/grass.png",
    "gravel": "skimage/data/gravel.png",
    "handwriting": "skimage/data/text.png",
    "moon": "skimage/data/moon.png",
    "motorcycle": "skimage/data/motorcycle_left.png",
    "page": "skimage/data/page.png",
    "palace": "sklearn/datasets/images/china.jpg",
    "retina": "skimage/data/retina.jpg",
    "rocket": "skimage/data/rocket.jpg",
    "tissue": "skimage/data/ihc.png",
}

HELD_OUT = {"cell": "skimage/data/cell.png"}  # not cut into tiles: the demo's picture shows it whole


class TilePosition(NamedTuple):
    """A square of a photograph, given by its top left corner in px."""

    top: int
    left: int


def write_photographs(folder: Path, config: PhotographsConfig) -> None:
    """Write tiles to `folder`/{train,val,test}/<photograph>/NNNN.png, unless the files exist already.

    Raises:
        ValueError: a photograph has no whole tile for one of the splits.
    """
    origin = {
        "config": to_dict(config),
        "photographs": PHOTOGRAPHS,
        "packages": {name: version(name) for name in ("scikit-image", "scikit-learn", "pillow")},
    }
    write_once(folder, origin=origin, write=lambda target: _write_tiles(target, config))


def read_photograph(name: str) -> Pixels:
    """Read a photograph from the installed package: uint8 [height, width, 3].

    Raises:
        ValueError: no photograph has this name, or the package is not installed.
    """
    if name not in PHOTOGRAPHS | HELD_OUT:
        raise ValueError(
            f"there is no embedded photograph {name!r}; there are {', '.join(PHOTOGRAPHS | HELD_OUT)}"
        )
    package, _, inner = (PHOTOGRAPHS | HELD_OUT)[name].partition("/")
    spec = importlib.util.find_spec(package)  # finds the folder only: an import takes a second
    if spec is None or spec.origin is None:
        raise ValueError(f"the package {package} is not installed: install it into this environment")
    return decode_rgb((Path(spec.origin).parent / inner).read_bytes())


def cut(photograph: Pixels, config: PhotographsConfig) -> dict[str, list[TilePosition]]:
    """Cut tiles for each split from disjoint stretches of the longer side: first train, then val, then test.

    Tiles of a single colour are dropped: black corners look the same in every split and show nothing.

    Raises:
        ValueError: a stretch has no whole tile.
    """
    height, width, _ = photograph.shape
    size, stride = config.tile_size, config.tile_stride
    tiles = {}
    for split, (start, stop, limit) in _stretches(max(height, width), config).items():
        along = range(start, stop - size + 1, stride)
        across = range(0, min(height, width) - size + 1, stride)
        grid = [TilePosition(b, a) if width >= height else TilePosition(a, b) for a in along for b in across]
        grid = [tile for tile in grid if np.ptp(pixels_of(photograph, tile, size), axis=(0, 1)).any()]
        if not grid or not limit:
            raise ValueError(
                f"ingest.photographs leaves no tile for {split} in a photograph of {width}x{height} px: make "
                "tile_size smaller, or max_tiles or the split's share larger."
            )
        kept = evenly_spaced(len(grid), limit)
        tiles[split] = [grid[position] for position in kept]
    return tiles


def pixels_of(photograph: Pixels, tile: TilePosition, size: int) -> Pixels:
    """The pixels of the tile: uint8 [size, size, 3]."""
    return photograph[tile.top : tile.top + size, tile.left : tile.left + size]


def _stretches(length: int, config: PhotographsConfig) -> dict[str, tuple[int, int, int]]:
    """First and last pixel of each split along the longer side, and the split's largest number of tiles."""
    train_share = 1 - config.validation_share - config.test_share
    first_val = round(length * train_share)
    first_test = round(length * (1 - config.test_share))
    return {
        "train": (0, first_val, config.max_tiles),
        "val": (first_val, first_test, round(config.max_tiles * config.validation_share / train_share)),
        "test": (first_test, length, round(config.max_tiles * config.test_share / train_share)),
    }


def _write_tiles(target: Path, config: PhotographsConfig) -> None:
    for name in PHOTOGRAPHS:
        photograph = read_photograph(name)
        for split, tiles in cut(photograph, config).items():
            folder = target / split / name
            folder.mkdir(parents=True)
            for number, tile in enumerate(tiles):
                pixels = pixels_of(photograph, tile, config.tile_size)
                Image.fromarray(pixels).save(folder / f"{number:04d}.png")
