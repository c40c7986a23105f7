"""Export a backbone to a file that needs only torch, neither this package nor timm."""

from pathlib import Path

import torch

from dino_pipeline.dino.core.models.backbone import Backbone


def export_backbone(backbone: Backbone, path: Path, *, crop: int, channels: int) -> None:
    """Write the backbone as a torch.export program: normalised [N, channels, crop, crop] to [N, dim] for any N."""
    backbone = backbone.cpu().eval()
    # Two images, because a batch of one would become a constant.
    example = torch.zeros(2, channels, crop, crop)
    batch = torch.export.Dim("batch")
    with torch.no_grad():
        program = torch.export.export(backbone, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
