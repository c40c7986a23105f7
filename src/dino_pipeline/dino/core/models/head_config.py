"""Configuration of the projection head and the predictor."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class ProjectionHeadConfig:
    """Layers, widths and prototypes of the head (arXiv:2104.14294, appendix C)."""

    num_prototypes: Annotated[int, Field(ge=2)] | None  # K; None: the bottleneck's output is the logits
    num_layers: Count  # linear layers of the MLP, not counting the prototypes
    hidden_dim: Count
    bottleneck_dim: Count | None  # None: no bottleneck; the MLP's last layer gives the K logits
    activation: Literal["gelu", "relu"]
    norm_last_layer: bool  # prototypes keep length 1, which is more stable; false may score higher on ViT-S
    batch_norm: bool  # in the hidden layers; the paper's ViTs have none, small budgets need it

    @model_validator(mode="after")
    def _something_comes_out(self) -> "ProjectionHeadConfig":
        if self.num_prototypes is None and self.bottleneck_dim is None:
            raise ValueError(
                "num_prototypes and bottleneck_dim are both null: set one of them to the number of logits"
            )
        return self

    @property
    def num_logits(self) -> int:
        """Width of the output: K, or the bottleneck's width."""
        num_logits = self.num_prototypes or self.bottleneck_dim
        assert num_logits is not None, "one of them is given"
        return num_logits


@frozen
class PredictorConfig:
    """An MLP of the student only, from bottleneck to bottleneck (BYOL, arXiv:2006.07733)."""

    num_layers: Annotated[int, Field(ge=0)]  # linear layers; 0: no predictor
    hidden_dim: Count
    batch_norm: bool  # in the hidden layers
