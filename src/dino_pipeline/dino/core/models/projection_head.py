"""The projection head: MLP, L2-normalised bottleneck, weight-normalised prototypes (arXiv:2104.14294, appendix C)."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from dino_pipeline.dino.core.models.head_config import PredictorConfig, ProjectionHeadConfig
from dino_pipeline.dino.core.models.mlp import build_mlp

__all__ = ["ProjectionHead", "ProjectionHeadConfig"]


class ProjectionHead(nn.Module):
    """Maps features [N, dim] to logits [N, prototypes], or to the bottleneck [N, bottleneck] without prototypes.

    Without a bottleneck, the MLP itself gives the logits [N, prototypes]: the appendix's other design, which fails for
    deep heads. An optional predictor of the student comes before the prototypes, so that its cost does not depend on
    their number.
    """

    def __init__(
        self, config: ProjectionHeadConfig, *, in_dim: int, predictor: PredictorConfig | None = None
    ) -> None:
        super().__init__()
        mlp_dim = config.bottleneck_dim or config.num_logits
        self.mlp = build_mlp(
            in_dim,
            config.hidden_dim,
            mlp_dim,
            num_layers=config.num_layers,
            batch_norm=config.batch_norm,
            activation=config.activation,
        )
        self.last_layer: nn.Module | None = None
        if config.num_prototypes and config.bottleneck_dim:
            self.last_layer = weight_norm(nn.Linear(config.bottleneck_dim, config.num_prototypes, bias=False))
        self.apply(_initialize)
        if self.last_layer is not None:
            length = self.last_layer.parametrizations.weight.original0  # type: ignore[union-attr]
            nn.init.ones_(length)  # type: ignore[arg-type]  # one length per prototype
            length.requires_grad = not config.norm_last_layer
        # Built last, so that a student with a predictor starts with the same weights as one without.
        self.predictor: nn.Module | None = None
        if predictor is not None and predictor.num_layers:
            self.predictor = build_mlp(
                mlp_dim,
                predictor.hidden_dim,
                mlp_dim,
                num_layers=predictor.num_layers,
                batch_norm=predictor.batch_norm,
                activation=config.activation,
            )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings. The embeddings are the MLP's output, before predictor and prototypes."""
        embeddings: Tensor = self.mlp(features)
        logits = embeddings if self.predictor is None else self.predictor(embeddings)
        if self.last_layer is not None:
            logits = self.last_layer(F.normalize(logits, dim=-1))
        return logits, embeddings


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
