"""Images of any channels and depth are resized as each of their channels alone in floating point."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dino_pipeline.dino.core.data.multi_crop import crop_and_resize
from dino_pipeline.dino.core.data.resampling import resample


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("size", [(9, 11), (40, 31)])
def test_16_bits_are_resized_in_floating_point_and_rounded(channels, size):
    pixels = np.random.default_rng(channels).integers(0, 65536, (1, channels, 21, 19)).astype(np.uint16)
    exact = F.interpolate(torch.from_numpy(pixels.astype(np.float64)), size, mode="bicubic", antialias=True)
    resized = resample(torch.from_numpy(pixels), size)
    assert resized.dtype == torch.uint16
    assert (resized.double() - exact.clamp(0, 65535)).abs().max() <= 0.6  # half a level, and float32


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_8_bit_channels_are_resized_as_each_alone(channels):
    image = np.random.default_rng(0).integers(0, 256, (30, 40, channels), dtype=np.uint8)
    together = crop_and_resize(image, (2, 3, 20, 24), 12)
    assert together.shape == (12, 12, channels)
    for channel in range(channels):
        rgb = np.repeat(image[:, :, channel : channel + 1], 3, axis=2)
        alone = crop_and_resize(rgb, (2, 3, 20, 24), 12)[:, :, 0].astype(int)
        assert np.abs(together[:, :, channel].astype(int) - alone).max() <= 2
