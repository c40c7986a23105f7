"""From what a configuration asks for to what a training is: nothing is left to be found later."""

import logging
from dataclasses import replace

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.pixel_statistics import SAMPLE, pixel_statistics

logger = logging.getLogger(__name__)


def resolved(config: PretrainConfig, train: Manifest) -> PretrainConfig:
    """The configuration with `measured` mean and std as numbers, and the backbone's channels said.

    Args:
        config: what is asked for.
        train: images of the train split; nothing else is looked at.

    Raises:
        ValueError: an image is gone, or a channel of all has only one value.
    """
    config = replace(config, backbone=config.network)
    if "measured" not in (config.mean, config.std):
        return config
    measured = pixel_statistics(train, config.images, seed=config.seed)
    asked = {name for name in ("mean", "std") if getattr(config, name) == "measured"}
    found = {name: getattr(measured, name) for name in sorted(asked)}
    logger.info("measured on %d train images: %s", min(SAMPLE, len(train)), found)
    return replace(config, **found)
