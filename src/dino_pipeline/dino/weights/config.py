"""Configuration of an imported model."""

from typing import Annotated

from pydantic import Field, FilePath

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig, BackboneOptions

Channels = tuple[float, ...]  # one number per channel


@frozen
class ModelConfig:
    """The checkpoint that a recipe imports instead of training a model."""

    checkpoint: Annotated[str, Field(min_length=1)] | None
    architecture: (
        str | None
    )  # a timm name; null: as the file records it, or the one that its tensors' shapes show
    options: BackboneOptions  # of the architecture, like backbone.options
    prefix: str | None  # of the tensors to read, in a file of several networks; null: the best network
    timm_file: FilePath | None  # for a checkpoint timm:<name>: a local file that replaces timm's download
    mean: Channels  # for weights that do not record their own
    std: Channels

    @property
    def required(self) -> BackboneConfig | None:
        """The architecture given by the user."""
        if self.architecture is None:
            return None
        return BackboneConfig(name=self.architecture, options=self.options, drop_path_rate=0.0)
