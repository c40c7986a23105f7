"""A backbone with a classifier, and the learning rate of each of its layers (layer-wise decay, arXiv:2106.08254)."""

from typing import Any

import torch
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn

from dino_pipeline.dino.core.models.backbone import Backbone


class Classifier(nn.Module):
    """[N, 3, H, W] to logits [N, classes]."""

    def __init__(self, backbone: Backbone, *, num_classes: int, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.num_features, num_classes)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(self.head.weight.shape, generator=generator) * 0.01)
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits


def layer_groups(classifier: Classifier, *, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups with `lr_scale`: 1 for the classifier, for each layer before it `layer_decay` times the next.

    timm says what a network's layers are, and which of its parameters are not decayed.
    """
    network = classifier.backbone.model
    exempt = network.no_weight_decay() if hasattr(network, "no_weight_decay") else set()
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        network, weight_decay=weight_decay, no_weight_decay_list=exempt, layer_decay=layer_decay
    )
    for group in groups:
        group["lr_scale"] *= layer_decay  # timm's last layer here is the one before the classifier
    groups.append({"params": [classifier.head.weight], "weight_decay": weight_decay, "lr_scale": 1.0})
    groups.append({"params": [classifier.head.bias], "weight_decay": 0.0, "lr_scale": 1.0})
    return groups
