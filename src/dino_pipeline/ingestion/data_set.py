"""The name of a data set, which names its registered models, and its size, both without reading images."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dino_pipeline.ingestion.config import IngestConfig


class KnownImages(NamedTuple):
    """Images of a source in the splits of the recipes that name it. Carved splits vary around their fraction."""

    num_train: int
    num_held_out: int  # val and test
    num_classes: int


# ImageNet: 1 % of train is set aside for validation, and its val folder is the test split.
_KNOWN = {
    "data/01_raw/imagenet": KnownImages(1_268_355, 62_812, 1000),
    "torchvision:CIFAR10": KnownImages(45_000, 15_000, 10),
    "torchvision:FashionMNIST": KnownImages(53_967, 16_033, 10),
    "torchvision:Imagenette-160": KnownImages(8_522, 4_872, 10),
    "data/01_raw/cifar10_jpeg_q90.tar.gz": KnownImages(45_000, 15_000, 10),
    "embedded:photographs": KnownImages(1_800, 740, 18),
    "embedded:digits": KnownImages(1_274, 523, 10),
}


def data_set_name(config: IngestConfig, own: Mapping[str, Any], recipe: str) -> str:
    """Name the data set: the user's name, else the recipe's for the recipe's own images, else one from the source.

    Args:
        config: the parameters in force, with the user's changes by `--params` and conf/local.
        own: the same parameters, from the recipe alone.
        recipe: the recipe's name. It names the data set where `own` has no other name.
    """
    if config.name and config.name != own["name"]:
        return config.name
    own_source = own["source"] or ()
    if config.sources == ((own_source,) if isinstance(own_source, str) else tuple(own_source)):
        return own["name"] or recipe
    return "_and_".join(named_after(source) for source in config.sources)


def named_after(source: str) -> str:
    """Make a name from the last part of a source: letters, digits and underscores, with a letter first."""
    stem = re.sub(r"(\.tar)?\.\w+$", "", source.rstrip("/").rpartition("/")[2].rpartition(":")[2])
    words = re.sub(r"\W+", "_", stem).strip("_").lower() or "images"
    return words if words[0].isalpha() else f"images_{words}"


def known_images(config: IngestConfig) -> KnownImages | None:
    """Images of a known source; None where only ingestion can count them."""
    known = _KNOWN.get(config.sources[0]) if config.sources else None
    return known and known._replace(
        num_train=min(known.num_train, config.max_train_images or known.num_train)
    )


def known_num_train_images(config: IngestConfig) -> int | None:
    """Number of train images of a known source; None where only ingestion can count them."""
    known = known_images(config)
    return known and known.num_train
