"""Weights that parameters name: read, held against the images, and known by their hash wherever the file lies."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.pretrained_weights import Weights, read_weights
from dino_pipeline.dino.weights.published import DESCRIPTION


class GivenWeights(NamedTuple):
    """Weights, and the file that they are from."""

    path: Path
    weights: Weights
    digest: str  # sha256 of the file, or of a published model's networks


def read_given_weights(
    name: str, *, key: str, root: Path, candidates: Sequence[BackboneConfig], images: ImagesConfig
) -> GivenWeights:
    """Read a file, or the folder of a published model.

    Args:
        name: hangs on `root` where it is relative.
        key: the parameter that names it, for errors.
        candidates: what the architecture may be, for a file that does not say it itself.
        images: what the training is of.

    Raises:
        ValueError: there is no such file, or its weights do not match; says what differs.
    """
    path = root / Path(name).expanduser()
    if not path.exists():
        raise ValueError(f"{key} is {name}, which does not exist: give a file, or the folder of a model")
    weights = read_weights(path, candidates)
    if weights.images != images:
        raise ValueError(
            f"pretrain.images is {to_dict(images)}, and the weights of {key} are of images of "
            f"{to_dict(weights.images)}: set pretrain.images to these, or give other weights"
        )
    return GivenWeights(path, weights, _digest(path))


def _digest(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob("*.safetensors")) if (folder / DESCRIPTION).is_file() else [path]
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
