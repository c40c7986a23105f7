"""The name of a data set, which names its registered models, and its size, both without reading images."""

import re
from collections.abc import Mapping
from typing import Any

from dino_pipeline.ingestion.config import IngestConfig

_IMAGENET_TRAIN = 1_268_355  # without the 1 % that the recipes set aside for validation
# An estimate: the number of validation images varies around the recipe's fraction.
_NUM_TRAIN_IMAGES = {
    "data/01_raw/imagenet": _IMAGENET_TRAIN,
    "torchvision:CIFAR10": 45_000,
    "torchvision:FashionMNIST": 53_967,
    "torchvision:Imagenette-160": 8_522,
    "data/01_raw/cifar10_jpeg_q90.tar.gz": 45_000,
    "embedded:photographs": 1_800,
    "embedded:digits": 1_274,
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


def known_num_train_images(config: IngestConfig) -> int | None:
    """Number of train images of a known source; None where only ingestion can count them."""
    known = _NUM_TRAIN_IMAGES.get(config.sources[0]) if config.sources else None
    return min(known, config.max_train_images or known) if known else None
