"""Which model is evaluated where it is not the one that the recipe trains."""

from typing import Annotated

from pydantic import Field, FilePath

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.official import OFFICIAL_CONFIGS

Rgb = tuple[float, float, float]


@frozen
class ModelConfig:
    """A checkpoint that is imported in the place of a training."""

    checkpoint: Annotated[str, Field(min_length=1)] | None
    architecture: str | None  # a timm name; null: as the file says, or recognised among the published ones
    options: dict[str, bool | int | float | str | None]  # of the architecture, as backbone.options
    timm_file: FilePath | None  # with a checkpoint timm:<name>: read in the place of timm's download
    mean: Rgb  # of weights that do not say theirs
    std: Rgb

    @property
    def candidates(self) -> tuple[BackboneConfig, ...]:
        """The architecture that the user names, or all that were published."""
        if self.architecture is None:
            return OFFICIAL_CONFIGS
        return (BackboneConfig(name=self.architecture, options=self.options, drop_path_rate=0.0),)
