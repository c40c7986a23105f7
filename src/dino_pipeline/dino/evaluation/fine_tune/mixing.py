"""Batches and soft labels by timm's mixup and CutMix, drawn at the address (seed, step)."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from timm.data import Mixup
from timm.data.mixup import mixup_target
from torch import Tensor

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.evaluation.fine_tune.config import MixConfig


def mixed(
    images: Tensor, labels: Tensor, config: MixConfig, *, num_classes: int, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """Images [N, 3, H, W], N even, changed in place, and soft labels [N, num_classes]."""
    if config.mixup_alpha == 0 and config.cutmix_alpha == 0:
        return images, mixup_target(labels, num_classes, smoothing=config.label_smoothing)
    mix = Mixup(
        mixup_alpha=config.mixup_alpha,
        cutmix_alpha=config.cutmix_alpha,
        prob=config.probability,
        switch_prob=config.switch_probability,
        label_smoothing=config.label_smoothing,
        num_classes=num_classes,
    )
    with _numpy_at(seed, step):
        mixed_images, targets = mix(images, labels)
    return mixed_images, targets


@contextmanager
def _numpy_at(seed: int, step: int) -> Iterator[None]:
    """timm draws from numpy's global generator: inside the block it starts at this address."""
    before = np.random.get_state()
    np.random.seed(int(generator_at(seed, Domain.FINE_TUNE_MIX, step).integers(2**32)))
    try:
        yield
    finally:
        np.random.set_state(before)
