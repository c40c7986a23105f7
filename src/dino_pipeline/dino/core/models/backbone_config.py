"""Configuration of a network: a timm name, its options, and its stochastic depth."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen

# The shortest list is the whitening of grey patches of 2 x 2 pixels (backbones/whitened_convnet.py).
Numbers = Annotated[tuple[float, ...], Field(min_length=16)]
BackboneOptions = dict[str, bool | int | float | str | Numbers | None]


@frozen
class BackboneConfig:
    """A timm architecture.

    `options` go unchanged to `timm.create_model`, so a ViT can have any width, depth, patch and native size:
    `{img_size: 32, patch_size: 4, embed_dim: 192, depth: 6, num_heads: 3}`. An option that is null is not passed; this
    lets a recipe remove an option that conf/base sets for another network.
    """

    name: str
    options: BackboneOptions
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)]  # student only

    def for_images(self, channels: int) -> "BackboneConfig":
        """A copy for images with this number of channels. timm's default, 3, needs no option."""
        return self if channels == 3 else replace(self, options={**self.options, "in_chans": channels})
