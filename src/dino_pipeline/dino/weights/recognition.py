"""Compare weights with an architecture by the names and shapes of all tensors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig

COUNTER = "num_batches_tracked"
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


def check_matches(
    weights: Mapping[str, Tensor], config: BackboneConfig, *, file: str, hint: str = ""
) -> None:
    """Check that an architecture's tensors have exactly these names and shapes.

    Args:
        weights: of a backbone, under timm's names.
        file: for errors.
        hint: the end of an error, what to do.

    Raises:
        ValueError: they differ; the message lists the differences.
    """
    differing = mismatch(weights, shapes_of(config))
    if len(differing):
        raise ValueError(f"{file} does not contain the weights of {config.name}: {differing}{hint}")


def shapes_of(config: BackboneConfig) -> dict[str, torch.Size]:
    """Names and shapes of an architecture's tensors, under timm's names."""
    with torch.device("meta"):  # shapes without memory
        return {name: value.shape for name, value in build_backbone(config).model.state_dict().items()}


def mismatch(weights: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> Mismatch:
    """The tensors that are missing, unexpected or of another shape.

    Batch norm's counters of batches may be missing: old files lack them, and no evaluation reads them.
    """
    missing = expected.keys() - weights.keys()
    return Mismatch(
        missing=sorted(name for name in missing if not name.endswith(COUNTER)),
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
