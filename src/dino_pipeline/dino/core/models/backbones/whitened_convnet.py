"""A small ConvNet behind a fixed whitening of 2 x 2 patches, for small images and short trainings.

The network is that of arXiv:2404.00498, section 3.1, with a residual in each block. The whitening spares the training
the work of decorrelating neighbouring pixels.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from timm.models import register_model
from torch import Tensor, nn

PATCH = 2  # px, side of the whitened patches


class WhitenedConvNet(nn.Module):
    """Whitening, then three blocks of two convolutions, each of which halves the resolution."""

    whitening: Tensor  # [8 * channels, channels, 2, 2], fixed

    def __init__(self, *, width: int, in_chans: int, whitening: tuple[float, ...] | None) -> None:
        """Build the network.

        Args:
            width: channels of the last two blocks, and of the feature; the first block has a quarter.
            whitening: the rows of a square matrix that whitens patches [channels, 2, 2]; None leaves them as they are.

        Raises:
            ValueError: the matrix is not of patches with this number of channels.
        """
        super().__init__()
        dim = in_chans * PATCH**2
        if whitening is not None and len(whitening) != dim**2:
            raise ValueError(
                f"whitening has {len(whitening)} numbers; patches of {in_chans} channels need {dim**2}"
            )
        rows = torch.eye(dim) if whitening is None else torch.tensor(whitening).view(dim, dim)
        filters = rows.view(dim, in_chans, PATCH, PATCH)
        self.register_buffer("whitening", torch.cat([filters, -filters]))  # GELU keeps one sign of each
        widths = (2 * dim, max(width // 4, 1), width, width)
        self.blocks = nn.Sequential(*(_HalvingBlock(*ends) for ends in pairwise(widths)))
        self.num_features = width

    def forward(self, images: Tensor) -> Tensor:
        """[N, channels, H, W] -> the mean of the last map, [N, width]."""
        return self.forward_features(images).mean(dim=(2, 3))

    def forward_features(self, images: Tensor) -> Tensor:
        """[N, channels, H, W] -> the last map, [N, width, about H/8, about W/8]."""
        x = F.conv2d(images.contiguous(memory_format=torch.channels_last), self.whitening)
        last: Tensor = self.blocks(F.gelu(x))
        return last

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Refuse gradient checkpointing.

        Raises:
            ValueError: it is asked for.
        """
        if enable:
            raise ValueError("whitened_convnet has no gradient checkpointing: set it to false")


class _HalvingBlock(nn.Module):
    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, num_out, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(num_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return x + F.gelu(self.norm2(self.conv2(x)))


def whitened_convnet(
    pretrained: bool = False,  # noqa: ARG001  timm passes these four
    pretrained_cfg: Any = None,  # noqa: ARG001
    pretrained_cfg_overlay: Any = None,  # noqa: ARG001
    cache_dir: Any = None,  # noqa: ARG001
    *,
    width: int = 128,
    in_chans: int = 3,
    num_classes: int = 0,  # noqa: ARG001  it has no classifier
    whitening: tuple[float, ...] | str | None = None,
) -> nn.Module:
    """The network with random weights. `whitening: measured` is replaced by numbers before a training starts."""
    numbers = None if isinstance(whitening, str) else whitening
    network = WhitenedConvNet(width=width, in_chans=in_chans, whitening=numbers)
    return network.to(memory_format=torch.channels_last)  # the format of the CPU's fast kernels


register_model(whitened_convnet)  # registers it in timm under the function's name
