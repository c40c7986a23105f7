"""Recognise the architecture of weights by the names and shapes of all tensors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig

_SHOWN = 5  # names of each kind in an error


class Mismatch(NamedTuple):
    """Differences between weights and an architecture, by tensor names."""

    missing: list[str]
    unexpected: list[str]
    shapes: list[str]  # with both shapes

    def __len__(self) -> int:
        return sum(map(len, self))

    def __str__(self) -> str:
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "of another shape": self.shapes}
        return "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds.items() if names)


def recognised(
    weights: Mapping[str, Tensor], candidates: Sequence[BackboneConfig], *, file: str
) -> BackboneConfig:
    """The first architecture whose tensors have exactly these names and shapes.

    Args:
        weights: of a backbone, under timm's names.
        candidates: one or more architectures to try.
        file: for errors.

    Raises:
        ValueError: none matches; the message lists the differences from the nearest one.
    """
    nearest: tuple[Mismatch, str] | None = None
    for candidate in candidates:
        differing = mismatch(weights, shapes_of(candidate))
        if not len(differing):
            return candidate
        if nearest is None or len(differing) < len(nearest[0]):
            nearest = differing, candidate.name
    assert nearest is not None
    differing, name = nearest
    several = len(candidates) > 1
    of = f"any of {len(candidates)} known architectures, the nearest being {name}" if several else name
    raise ValueError(f"{file} does not contain the weights of {of}: {differing}")


def shapes_of(config: BackboneConfig) -> dict[str, torch.Size]:
    """Names and shapes of an architecture's tensors, under timm's names."""
    with torch.device("meta"):  # shapes without memory
        return {name: value.shape for name, value in build_backbone(config).model.state_dict().items()}


def mismatch(weights: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> Mismatch:
    """The tensors that are missing, unexpected or of another shape."""
    return Mismatch(
        missing=sorted(expected.keys() - weights.keys()),
        unexpected=sorted(weights.keys() - expected.keys()),
        shapes=[
            f"{name} {list(weights[name].shape)}, not {list(shape)}"
            for name, shape in expected.items()
            if name in weights and weights[name].shape != shape
        ],
    )


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
