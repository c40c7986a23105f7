"""Read pretrained weights of any origin: files of many trainers, our own models and checkpoints, timm's networks."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import timm
from safetensors.torch import load_file
from torch import Tensor

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.state import CENTER, loss_state_of_now
from dino_pipeline.dino.weights.foreign_weights import PretrainedWeights, Wanted, foreign_weights
from dino_pipeline.dino.weights.published import DESCRIPTION, read_model
from dino_pipeline.dino.weights.tensor_names import BACKBONE
from dino_pipeline.dino.weights.weight_files import WEIGHT_FILES, file_of_folder, open_weights

TIMM = "timm:"


class PretrainedFile(NamedTuple):
    """Weights and the file that they come from."""

    path: Path
    weights: PretrainedWeights
    digest: str  # sha256 of the file, or of a published model's networks


def read_pretrained_weights(
    name: str, *, key: str, root: Path, wanted: Wanted, images: ImagesConfig
) -> PretrainedFile:
    """Read the weights that a training parameter names, and check that they expect the same kind of images.

    Args:
        name: a file or a folder, as for `read_weights`, relative to `root` unless absolute; or `timm:<name>`.
        key: the parameter, for errors.
        images: the images of the training.

    Raises:
        ValueError: the file does not exist, or its weights do not match; the message says what differs.
    """
    path = Path(name) if name.startswith(TIMM) else root / Path(name).expanduser()
    try:
        weights = (
            read_timm_weights(name.removeprefix(TIMM), None)
            if name.startswith(TIMM)
            else read_weights(path, wanted)
        )
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    if weights.images != images:
        raise ValueError(
            f"pretrain.images is {to_dict(images)}, but the weights of {key} are for images of "
            f"{to_dict(weights.images)}: set pretrain.images to these, or give other weights"
        )
    digest = _digest_of_tensors(weights) if name.startswith(TIMM) else _digest(path)
    return PretrainedFile(path, weights, digest)


def read_weights(path: Path, wanted: Wanted) -> PretrainedWeights:
    """Read a file, the folder of a published model, or a folder that transformers wrote.

    Args:
        path: a backbone, a network with its heads, or a training checkpoint, in any wrapper that is understood.

    Raises:
        ValueError: the file holds something else, or tensors that do not fit the architecture; the message lists them.
    """
    folder = path if path.is_dir() else path.parent
    if (folder / DESCRIPTION).is_file() and (
        path.is_dir() or (path.suffix == ".safetensors" and path.is_file())
    ):
        return _published(folder)
    content = open_weights(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} contains a {type(content).__name__}, not weights by name")
    if "state" in content and "fingerprint" in content:
        return _own_checkpoint(content)
    return foreign_weights(content, wanted, path)


def read_timm_weights(name: str, file: Path | None) -> PretrainedWeights:
    """Read timm's pretrained weights from its hub, or from `file`.

    Raises:
        ValueError: timm does not know the name, or has no weights for it.
    """
    backbone = BackboneConfig(name=name, options={}, drop_path_rate=0.0)
    expected = build_backbone(backbone)  # its error lists similar names
    overlay = {"file": str(file)} if file else None
    try:
        model = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except Exception as error:  # whatever the hub's client raises without a network
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"timm:{name} cannot be loaded: {reason}. Without a network, give a local file of it by model.timm_file"
        ) from error
    expected.model.load_state_dict(model.state_dict())
    weights = {BACKBONE + key: value for key, value in expected.model.state_dict().items()}
    settings = model.pretrained_cfg
    return PretrainedWeights(
        "pretrained by timm",
        backbone,
        {"teacher": weights},
        normalisation=(settings["mean"], settings["std"]),
    )


def _published(folder: Path) -> PretrainedWeights:
    published = read_model(folder)
    files = {name: folder / f"{name}.safetensors" for name in ("teacher", "student")}
    networks: dict[Any, dict[str, Tensor]] = {
        name: load_file(file) for name, file in files.items() if file.is_file()
    }
    config = published.config
    return PretrainedWeights(
        "published model",
        from_dict(BackboneConfig, config["backbone"]),
        networks,
        normalisation=(tuple(config["mean"]), tuple(config["std"])),
        images=from_dict(ImagesConfig, config["images"]),
    )


def _own_checkpoint(content: Mapping[str, Any]) -> PretrainedWeights:
    state, config = content["state"], content["config"]
    return PretrainedWeights(
        "training checkpoint",
        from_dict(BackboneConfig, config["backbone"]),
        # A distillation's checkpoint has no teacher, because that is another network; its result is the student.
        {"teacher": state.get("teacher", state["student"]), "student": state["student"]},
        center=loss_state_of_now(state["loss"]).get(CENTER),
        normalisation=(tuple(config["mean"]), tuple(config["std"])),
        images=from_dict(ImagesConfig, config["images"]),
    )


def _digest_of_tensors(weights: PretrainedWeights) -> str:
    digest = hashlib.sha256()
    for network, state in weights.networks.items():
        for name, value in sorted(state.items()):
            digest.update(f"{network} {name} {list(value.shape)}".encode())
            digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    if (folder / DESCRIPTION).is_file():
        files = sorted(folder.glob("*.safetensors"))
    elif path.is_dir() or path.name.endswith(".index.json"):
        first = file_of_folder(path) if path.is_dir() else path
        is_whole = first.suffix in WEIGHT_FILES
        files = (
            [first]
            if is_whole
            else sorted(file for file in first.parent.iterdir() if file.suffix in WEIGHT_FILES)
        )
    else:
        files = [path]
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
