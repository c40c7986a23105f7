"""Configuration of an imported model."""

from typing import Annotated

from pydantic import Field, FilePath

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig, BackboneOptions
from dino_pipeline.dino.weights.official import OFFICIAL_CONFIGS

Rgb = tuple[float, float, float]


@frozen
class ModelConfig:
    """The checkpoint that a recipe imports instead of training a model."""

    checkpoint: Annotated[str, Field(min_length=1)] | None
    architecture: str | None  # a timm name; null: as the file records it, or the published one that fits
    options: BackboneOptions  # of the architecture, like backbone.options
    timm_file: FilePath | None  # for a checkpoint timm:<name>: a local file that replaces timm's download
    mean: Rgb  # for weights that do not record their own
    std: Rgb

    @property
    def candidates(self) -> tuple[BackboneConfig, ...]:
        """The architecture given by the user, or all published ones."""
        if self.architecture is None:
            return OFFICIAL_CONFIGS
        return (BackboneConfig(name=self.architecture, options=self.options, drop_path_rate=0.0),)
