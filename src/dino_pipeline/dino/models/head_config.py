"""The shape of the projection head."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class ProjectionHeadConfig:
    """Layers, widths and prototypes of the head (arXiv:2104.14294, appendix C)."""

    num_prototypes: Annotated[int, Field(ge=2)]  # K
    num_layers: Count  # linear layers before the prototypes
    hidden_dim: Count
    bottleneck_dim: Count
    norm_last_layer: bool  # prototypes keep length 1: steadier; false may score higher on ViT-S
    batch_norm: bool  # in the hidden layers; the paper's ViTs go without, small budgets need it
