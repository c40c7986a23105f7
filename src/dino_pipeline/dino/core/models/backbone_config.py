"""Which network is trained: a timm name, its options, and its stochastic depth."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class BackboneConfig:
    """A timm architecture.

    `options` go to `timm.create_model` as they are, so a ViT of any width, depth, patch and native size can be named:
    `{img_size: 32, patch_size: 4, embed_dim: 192, depth: 6, num_heads: 3}`. One that is null is not passed: so a recipe
    takes back what the layer below it set for another network.
    """

    name: str
    options: dict[str, bool | int | float | str | None]
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)]  # student only

    def for_images(self, channels: int) -> "BackboneConfig":
        """The same for images of these channels, which is said where it is not timm's own 3."""
        return self if channels == 3 else replace(self, options={**self.options, "in_chans": channels})
