"""Read weights of any origin: the published files of DINO, our own training checkpoints, timm's networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import timm
from safetensors.torch import load_file
from torch import Tensor

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.published import DESCRIPTION, Network, read_model
from dino_pipeline.dino.weights.recognition import recognised
from dino_pipeline.dino.weights.reference_checkpoint import load_data_only, reference_checkpoint
from dino_pipeline.dino.weights.reference_names import BACKBONE, backbone_weights, network_names

RGB = ImagesConfig(channels=3, bits=8)
Channels = tuple[float, ...]  # a number each


class Weights(NamedTuple):
    """Networks and what else a training left, under our names."""

    kind: str  # what the file was
    backbone: BackboneConfig
    networks: dict[
        Network, dict[str, Tensor]
    ]  # the teacher, a student where there is one; with their heads or without
    center: Tensor | None = None  # [1, prototypes]
    epoch: int | None = None
    normalisation: tuple[Channels, Channels] | None = None  # mean and std, where the weights say them
    images: ImagesConfig = RGB  # what others' weights are of


def read_weights(path: Path, candidates: Sequence[BackboneConfig]) -> Weights:
    """Read a file, or the folder of a published model.

    Args:
        path: .pth, .pt or .safetensors: a backbone, a network with its head, or a training checkpoint, of the
            published code or of this one.
        candidates: what the architecture may be, for a file that does not say it itself.

    Raises:
        ValueError: the file holds something else, or what does not match the architecture, which is listed.
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
        raise ValueError(f"{path} holds a {type(content).__name__}, not weights by name")
    if "state" in content and "fingerprint" in content:
        return _own_checkpoint(content)
    if "student" in content or "teacher" in content:
        checkpoint = reference_checkpoint(dict(content), path)
        backbone = recognised(backbone_weights(checkpoint.teacher), candidates, file=path.name)
        recognised(backbone_weights(checkpoint.student), [backbone], file=f"the student in {path.name}")
        return Weights(
            "training checkpoint of the published code",
            backbone,
            {"teacher": checkpoint.teacher, "student": checkpoint.student},
            center=checkpoint.center,
            epoch=checkpoint.epoch,
        )
    if "state_dict" in content and any("linear." in name for name in content["state_dict"]):
        raise ValueError(f"{path} is a linear head and no backbone: it belongs into evaluate.linear_head")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(
            f"{path} holds {', '.join(sorted(map(str, content)))[:200]}: no weights that are known here"
        )
    return _network(content, candidates, path)


def read_timm_weights(name: str, file: Path | None) -> Weights:
    """Pretrained weights as timm brings them: from its hub, or from `file`.

    Raises:
        ValueError: timm knows no such name, or has no weights of it.
    """
    backbone = BackboneConfig(name=name, options={}, drop_path_rate=0.0)
    expected = build_backbone(backbone)  # says which names are near
    overlay = {"file": str(file)} if file else None
    try:
        model = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
    except RuntimeError as error:
        raise ValueError(f"timm:{name}: {error}") from error
    expected.model.load_state_dict(model.state_dict())
    weights = {BACKBONE + key: value for key, value in expected.model.state_dict().items()}
    settings = model.pretrained_cfg
    return Weights(
        "pretrained by timm",
        backbone,
        {"teacher": weights},
        normalisation=(settings["mean"], settings["std"]),
    )


def _published(folder: Path) -> Weights:
    published = read_model(folder)
    files = {name: folder / f"{name}.safetensors" for name in ("teacher", "student")}
    networks: dict[Any, dict[str, Tensor]] = {
        name: load_file(file) for name, file in files.items() if file.is_file()
    }
    config = published.config
    return Weights(
        "published model",
        from_dict(BackboneConfig, config["backbone"]),
        networks,
        normalisation=(tuple(config["mean"]), tuple(config["std"])),
        images=from_dict(ImagesConfig, config["images"]),
    )


def _own_checkpoint(content: Mapping[str, Any]) -> Weights:
    state, config = content["state"], content["config"]
    return Weights(
        "training checkpoint",
        from_dict(BackboneConfig, config["backbone"]),
        # A frozen teacher is another network and not in it: the student is what that training is for.
        {"teacher": state.get("teacher", state["student"]), "student": state["student"]},
        center=state["loss"].get("between.operator.center"),
        normalisation=(tuple(config["mean"]), tuple(config["std"])),
        images=from_dict(ImagesConfig, config["images"]),
    )


def _network(content: Mapping[str, Tensor], candidates: Sequence[BackboneConfig], path: Path) -> Weights:
    network = network_names(content)
    kind = "backbone" if all(name.startswith(BACKBONE) for name in network) else "network"
    return Weights(
        kind, recognised(backbone_weights(network), candidates, file=path.name), {"teacher": network}
    )
