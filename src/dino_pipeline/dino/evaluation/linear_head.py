"""A linear classifier that was published with a backbone, scored on stored features.

Layout (eval_linear.py of https://github.com/facebookresearch/dino): {state_dict: {module.linear.weight, .bias}},
with classes in the order of their folders' names.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.weights.weight_files import open_weights


class LinearHead(NamedTuple):
    """Weights [classes, dimensions] and biases [classes], with dimensions in the order of `Features.linear`."""

    weight: Tensor
    bias: Tensor


def read_linear_head(path: Path, *, backbone_dim: int) -> LinearHead:
    """Read a published head.

    With averaged patch tokens (ViT-B) the reference interleaves [CLS] and average value by value; `Features.linear`
    concatenates them. Among the published heads, only those are twice as wide as their backbone.

    Raises:
        ValueError: the file is not a linear head; the message lists its content.
    """
    content = open_weights(path)
    held = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    state = {str(name).removeprefix("module."): value for name, value in held.items()}
    if set(state) != {"linear.weight", "linear.bias"}:
        raise ValueError(
            f"evaluate.linear_head: {path} is not a linear head; it contains "
            f"{', '.join(sorted(state))[:200] or 'nothing'}"
        )
    weight = state["linear.weight"].float()
    if weight.shape[1] == 2 * backbone_dim:
        weight = torch.cat([weight[:, 0::2], weight[:, 1::2]], dim=1)
    return LinearHead(weight, state["linear.bias"].float())


def linear_head_accuracy(head: LinearHead, features: Features, classes: Sequence[str]) -> float:
    """Top-1 accuracy in [0, 1].

    Args:
        features: of labelled images.
        classes: all class names, sorted, which is the order of the head's outputs.

    Raises:
        ValueError: the head is for other features, or for another number of classes.
    """
    num_classes, dim = head.weight.shape
    stored = features.for_linear_probe.shape[1]
    if stored != dim:
        raise ValueError(
            f"evaluate.linear_head takes {dim} dimensions, but the stored features have {stored}: set "
            "extract.num_last_blocks and extract.average_patches to its authors' values (ViT-S: 4, false; ViT-B: "
            "1, true)"
        )
    if len(classes) != num_classes:
        raise ValueError(
            f"evaluate.linear_head has {num_classes} classes, but the images have {len(classes)}: measure it on "
            "images of its own classes, whose sorted names correspond to its outputs"
        )
    index = {name: position for position, name in enumerate(classes)}
    labels = torch.tensor([index.get(label, -1) for label in features.labels])
    logits = torch.from_numpy(features.for_linear_probe) @ head.weight.T + head.bias
    return float((logits.argmax(dim=1) == labels).double().mean())
