"""Save the teacher's backbone as an MLflow pyfunc model, which runs without this package and without timm."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.weights.published import PublishedModel, load_backbone
from dino_pipeline.tracking.registration import embedding_signature

if TYPE_CHECKING:
    from dino_pipeline.dino.core.models.backbone import Backbone

SERVED_MODEL = Path(__file__).with_name("served_model.py")
SERVED_WITH = ("mlflow", "numpy", "pandas", "pillow", "torch")


def served_contents(
    model: Path, published: PublishedModel, images: ImagesConfig, extract: ExtractConfig
) -> dict[str, Any]:
    """All JSON-ready values that determine the saved files. Weights and code are given by their digests.

    Args:
        model: the published model's folder.
        published: its description.
        images: channels and bits of its training.
        extract: its preprocessing, which the served model repeats.
    """
    return {
        "weights": _digest(model / "teacher.safetensors"),
        "code": _digest(SERVED_MODEL),
        "preprocessing": {
            "resize": extract.resize,
            "crop": extract.crop,
            "channels": images.channels,
            "bits": images.bits,
            "mean": published.config["mean"],
            "std": published.config["std"],
        },
        # No package index has a build's local version ("+cu132").
        "requirements": [f"{package}=={version(package).split('+')[0]}" for package in SERVED_WITH],
    }


def write_served(model: Path, contents: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write the files of a published model's teacher, described by `served_contents`, into a folder.

    Returns:
        the arguments of `mlflow.pyfunc.save_model`.
    """
    import numpy as np

    backbone = load_backbone(model, "teacher")
    preprocessing = contents["preprocessing"]
    crop, channels, bits = (preprocessing[name] for name in ("crop", "channels", "bits"))
    exported, described = folder / "backbone.pt2", folder / "preprocessing.json"
    export_backbone(backbone, exported, crop=crop, channels=channels)
    described.write_text(json.dumps(preprocessing, indent=2) + "\n")
    return {
        "python_model": str(SERVED_MODEL),
        "artifacts": {"backbone": str(exported), "preprocessing": str(described)},
        "signature": embedding_signature(backbone.num_features),
        "input_example": np.full(
            (1, crop, crop, channels), 2 ** (bits - 1), dtype=np.uint8 if bits == 8 else np.uint16
        ),
        "pip_requirements": contents["requirements"],
    }


def export_backbone(backbone: "Backbone", path: Path, *, crop: int, channels: int) -> None:
    """Write the backbone as a torch.export program: normalised [N, channels, crop, crop] to [N, dim] for any N.

    The file needs only torch, neither this package nor timm.
    """
    import torch

    # torch.export warns of weights whose channels come last, as if they were parts of others.
    backbone = backbone.cpu().to(memory_format=torch.contiguous_format).eval()
    # Two images, because a batch of one would become a constant.
    example = torch.zeros(2, channels, crop, crop)
    batch = torch.export.Dim("batch")
    with torch.no_grad():
        program = torch.export.export(backbone, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
