"""A backbone as a file that torch alone runs: neither this package nor timm is needed to load it."""

from pathlib import Path

import torch

from dino_pipeline.dino.core.models.backbone import Backbone


def export_backbone(backbone: Backbone, path: Path, *, crop: int, channels: int) -> None:
    """Write the backbone, normalised [N, channels, crop, crop] to [N, dim] for any N, as a torch.export program."""
    backbone = backbone.cpu().eval()
    # Two images: a batch of one would be taken for a constant.
    example = torch.zeros(2, channels, crop, crop)
    batch = torch.export.Dim("batch")
    with torch.no_grad():
        program = torch.export.export(backbone, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
