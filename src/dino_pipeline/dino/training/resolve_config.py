"""Resolve a configuration: replace everything that depends on the data or on defaults by values."""

import logging
from dataclasses import replace

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.pixel_statistics import SAMPLE, pixel_statistics

logger = logging.getLogger(__name__)


def resolved(config: PretrainConfig, train: Manifest) -> PretrainConfig:
    """The configuration with `measured` mean and std as numbers, and with the backbone's channels set.

    Args:
        config: as given by the user.
        train: images of the train split; the measurement uses no other images.

    Raises:
        ValueError: an image is missing, or a channel has only one value.
    """
    config = replace(config, backbone=config.network)
    if "measured" not in (config.mean, config.std):
        return config
    measured = pixel_statistics(train, config.images, seed=config.seed)
    asked = {name for name in ("mean", "std") if getattr(config, name) == "measured"}
    found = {name: getattr(measured, name) for name in sorted(asked)}
    logger.info("measured on %d train images: %s", min(SAMPLE, len(train)), found)
    return replace(config, **found)
