"""Read pretrained weights of any origin: DINO's published files, our own models and checkpoints, timm's networks."""

import hashlib
from collections.abc import Mapping, Sequence
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
from dino_pipeline.dino.weights.published import DESCRIPTION, Network, read_model
from dino_pipeline.dino.weights.recognition import recognised
from dino_pipeline.dino.weights.reference_checkpoint import (
    BACKBONE,
    backbone_weights,
    load_data_only,
    network_names,
    reference_checkpoint,
)

RGB = ImagesConfig(channels=3, bits=8)
Channels = tuple[float, ...]  # one number per channel


class PretrainedWeights(NamedTuple):
    """Networks under our tensor names, and what else a training saved.

    Attributes:
        kind: the kind of file.
        networks: the teacher, and a student if there is one; with or without heads.
        center: [1, prototypes].
        normalisation: mean and std, if the file records them.
        images: the images that the network was trained on; RGB of 8 bits if the file does not record it.
    """

    kind: str
    backbone: BackboneConfig
    networks: dict[Network, dict[str, Tensor]]
    center: Tensor | None = None
    epoch: int | None = None
    normalisation: tuple[Channels, Channels] | None = None
    images: ImagesConfig = RGB


class PretrainedFile(NamedTuple):
    """Weights and the file that they come from."""

    path: Path
    weights: PretrainedWeights
    digest: str  # sha256 of the file, or of a published model's networks


def read_pretrained_weights(
    name: str, *, key: str, root: Path, candidates: Sequence[BackboneConfig], images: ImagesConfig
) -> PretrainedFile:
    """Read the weights that a training parameter names, and check that they expect the same kind of images.

    Args:
        name: a file, or the folder of a published model; relative to `root` unless absolute.
        key: the parameter, for errors.
        candidates: possible architectures, for a file that does not record its own.
        images: the images of the training.

    Raises:
        ValueError: the file does not exist, or its weights do not match; the message says what differs.
    """
    path = root / Path(name).expanduser()
    if not path.exists():
        raise ValueError(f"{key} is {name}, which does not exist: give a file, or the folder of a model")
    weights = read_weights(path, candidates)
    if weights.images != images:
        raise ValueError(
            f"pretrain.images is {to_dict(images)}, but the weights of {key} are for images of "
            f"{to_dict(weights.images)}: set pretrain.images to these, or give other weights"
        )
    return PretrainedFile(path, weights, _digest(path))


def read_weights(path: Path, candidates: Sequence[BackboneConfig]) -> PretrainedWeights:
    """Read a file, or the folder of a published model.

    Args:
        path: .pth, .pt or .safetensors: a backbone, a network with its head, or a training checkpoint, from the
            published code or from this one.
        candidates: possible architectures, for a file that does not record its own.

    Raises:
        ValueError: the file holds something else, or tensors that do not fit the architecture; the message lists them.
    """
    if (path / DESCRIPTION).is_file():
        return _published(path)
    if path.suffix == ".safetensors":
        return (
            _published(path.parent)
            if (path.parent / DESCRIPTION).is_file()
            else _network(load_file(path), candidates, path)
        )
    content = load_data_only(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} contains a {type(content).__name__}, not weights by name")
    if "state" in content and "fingerprint" in content:
        return _own_checkpoint(content)
    if "student" in content or "teacher" in content:
        checkpoint = reference_checkpoint(dict(content), path)
        backbone = recognised(backbone_weights(checkpoint.teacher), candidates, file=path.name)
        recognised(backbone_weights(checkpoint.student), [backbone], file=f"the student in {path.name}")
        return PretrainedWeights(
            "training checkpoint of the published code",
            backbone,
            {"teacher": checkpoint.teacher, "student": checkpoint.student},
            center=checkpoint.center,
            epoch=checkpoint.epoch,
        )
    if "state_dict" in content and any("linear." in name for name in content["state_dict"]):
        raise ValueError(f"{path} is a linear head, not a backbone: give it as evaluate.linear_head")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(
            f"{path} contains {', '.join(sorted(map(str, content)))[:200]}: these are not weights of a known kind"
        )
    return _network(content, candidates, path)


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
    except RuntimeError as error:
        raise ValueError(f"timm:{name}: {error}") from error
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


def _network(
    content: Mapping[str, Tensor], candidates: Sequence[BackboneConfig], path: Path
) -> PretrainedWeights:
    network = network_names(content)
    kind = "backbone" if all(name.startswith(BACKBONE) for name in network) else "network"
    return PretrainedWeights(
        kind, recognised(backbone_weights(network), candidates, file=path.name), {"teacher": network}
    )


def _digest(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob("*.safetensors")) if (folder / DESCRIPTION).is_file() else [path]
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
