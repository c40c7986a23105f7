"""Weights of a supervised network of the same architecture, from a file of tensors."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dino_pipeline.dino.core.models.backbone import Backbone

_WRAPPERS = ("state_dict", "model")  # keys under which training scripts store the weights
_PREFIXES = ("module.", "backbone.", "model.")
_CLASSIFIERS = ("head.", "head_dist.", "fc.", "classifier.")
_SHOWN = 5


def load_supervised(file: Path, backbone: Backbone) -> None:
    """Load the file's weights into the backbone, without their classifier.

    Names are timm's, with or without a prefix `module.`, `backbone.` or `model.`.

    Raises:
        ValueError: the file does not exist, holds more than tensors, or its weights do not fit; the message lists them.
    """
    place = f"fine_tune.supervised_weights: {file}"
    if not file.is_file():
        raise ValueError(f"{place} does not exist: give a .safetensors or .pth file, or null")
    weights = {name: value for name, value in _read(file, place).items() if isinstance(value, Tensor)}
    expected = backbone.model.state_dict()
    found = {_plain(name): value for name, value in weights.items()}
    found = {n: value for n, value in found.items() if n in expected or not n.startswith(_CLASSIFIERS)}
    faults = [f"lacks {name}" for name in expected if name not in found]
    faults += [f"has {name}, which the network lacks" for name in found if name not in expected]
    faults += [
        f"{name} is {list(found[name].shape)} instead of {list(value.shape)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    if faults:
        more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ValueError(f"{place} does not fit the architecture: it {'; '.join(faults[:_SHOWN])}{more}")
    backbone.model.load_state_dict(found)


def _read(file: Path, place: str) -> Mapping[str, Any]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError) as error:
        raise ValueError(f"{place} is not a file of tensors: save only the state dictionary") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{place} contains a {type(content).__name__}: save the state dictionary")
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return dict(content[wrapper])
    return dict(content)


def _plain(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
