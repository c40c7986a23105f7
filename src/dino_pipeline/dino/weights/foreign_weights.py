"""Read the networks in a file of another trainer: which one, what is left out, and what its architecture is."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.architecture import Inferred, infer
from dino_pipeline.dino.weights.published import Network
from dino_pipeline.dino.weights.recognition import check_matches, mismatch, shapes_of
from dino_pipeline.dino.weights.tensor_names import BACKBONE, Translated, head_names, timm_names
from dino_pipeline.dino.weights.weight_files import config_beside
from dino_pipeline.dino.weights.wrappers import Contents, find_networks, tensors_of
from dino_pipeline.dino.weights.wrappers import Network as FoundNetwork

RGB = ImagesConfig(channels=3, bits=8)
Channels = tuple[float, ...]  # one number per channel


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user says about a file.

    Attributes:
        required: the only architecture to accept; None: the file's own, or the one that its shapes show.
        likely: architectures to try before the shapes decide.
        options: replace single options of an architecture that the shapes show, such as `num_heads`.
        prefix: what stands before the tensors of the network to read; None: the best network is read.
        name_key: the parameter that names the architecture, for messages.
        options_key: the parameter that has its options.
    """

    required: BackboneConfig | None = None
    likely: Sequence[BackboneConfig] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    prefix: str | None = None
    name_key: str = "model.architecture"
    options_key: str = "model.options"

    @property
    def keys(self) -> str:
        """How to overrule a guess."""
        return f"{self.name_key} and {self.options_key} (by --set, in kedro run by --params)"


class PretrainedWeights(NamedTuple):
    """Networks under our tensor names, and what else a training saved.

    Attributes:
        kind: the kind of file.
        networks: the teacher, and a student if there is one; with or without heads.
        center: [1, prototypes].
        normalisation: mean and std, if the file records them.
        images: the images that the network was trained on; RGB of 8 bits if the file does not record it.
        notes: lines for the user: what was left out, and what was guessed and how to overrule it.
    """

    kind: str
    backbone: BackboneConfig
    networks: dict[Network, dict[str, Tensor]]
    center: Tensor | None = None
    epoch: int | None = None
    normalisation: tuple[Channels, Channels] | None = None
    images: ImagesConfig = RGB
    notes: tuple[str, ...] = ()


def foreign_weights(content: Mapping[Any, Any], wanted: Wanted, path: Path) -> PretrainedWeights:
    """Read the best network of a file from elsewhere, and its student if it is a teacher."""
    contents = find_networks(content)
    chosen = _chosen(contents, content, wanted, path)
    translated = timm_names(chosen.backbone)
    config, notes = _architecture(translated, content, wanted, path)
    partner = contents.partner(chosen)
    networks: dict[Network, dict[str, Tensor]] = {"teacher": _ours(translated, chosen, config, path.name)}
    if partner:
        networks["student"] = _ours(
            timm_names(partner.backbone), partner, config, f"the student in {path.name}"
        )
    others = [one for one in contents.networks if one not in (chosen, partner)]
    if others:
        taken = f"{chosen.title} and {partner.title}" if partner else chosen.title
        notes.insert(
            0,
            f"{path.name} has several networks: {taken} is read, not {', '.join(one.title for one in others)}; to "
            "read another, set model.prefix to its name",
        )
    left_out = [*translated.left_out, *contents.others]
    if left_out:
        notes.append(f"{path.name}: left out, because a backbone does not need it: {_listed(left_out)}")
    kinds = {
        str(value.dtype).removeprefix("torch.")
        for value in chosen.backbone.values()
        if value.is_floating_point()
    }
    if kinds - {"float32"}:
        notes.append(f"{path.name}: weights of {', '.join(sorted(kinds))} are used as float32")
    channels = _channels(translated)
    center = content["dino_loss"].get("center") if isinstance(content.get("dino_loss"), Mapping) else None
    epoch = content.get("epoch")
    return PretrainedWeights(
        "training checkpoint of the published code" if center is not None and partner else _kind(chosen),
        config,
        networks,
        center=center,
        epoch=int(epoch) if isinstance(epoch, int | float) else None,
        normalisation=_normalisation(path),
        images=replace(RGB, channels=channels),
        notes=tuple(notes),
    )


def _kind(chosen: FoundNetwork) -> str:
    return "network" if chosen.head else "backbone"


def _chosen(contents: Contents, content: Mapping[Any, Any], wanted: Wanted, path: Path) -> FoundNetwork:
    """The network to read: the one that the user names, the best, or the one that fits the required architecture."""
    networks = contents.networks
    if wanted.prefix is not None:
        own = next((one for one in networks if one.prefix.rstrip(".") == wanted.prefix.rstrip(".")), None)
        if own is None:
            titles = ", ".join(one.title for one in networks) or "none that is recognised"
            raise ValueError(
                f"model.prefix is {wanted.prefix!r}, but the networks of {path.name} are: {titles}"
            )
        return own
    if networks:
        return networks[0]
    tensors = tensors_of(content)
    if tensors and all(name.endswith(("linear.weight", "linear.bias")) for name in tensors):
        raise ValueError(f"{path} is a linear head, not a backbone: give it as evaluate.linear_head")
    for config in _candidates(content, wanted):
        anchor = next(name for name, shape in shapes_of(config).items() if len(shape) > 1)
        fitting = [name for name in tensors if name == anchor or name.endswith(f".{anchor}")]
        if fitting:
            prefix = min(fitting, key=len).removesuffix(anchor)
            own_tensors = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            return FoundNetwork(prefix, own_tensors, {})
    what = _listed(sorted(tensors) or [str(key) for key in content] or ["nothing"])
    raise ValueError(
        f"{path} contains {what}: no backbone of a known kind is among this; if it has one of timm's, name it, for "
        f"example {wanted.name_key}=resnet18d"
    )


def _architecture(
    translated: Translated, content: Mapping[Any, Any], wanted: Wanted, path: Path
) -> tuple[BackboneConfig, list[str]]:
    """The architecture of these tensors, and what to tell the user about it."""
    weights = translated.tensors
    if wanted.required:
        hint = ""
        if len(mismatch(weights, shapes_of(wanted.required))):
            shown = _inferred_or_none(weights, wanted, path)
            if shown and not len(mismatch(weights, shapes_of(shown.backbone))):
                hint = f". Its tensors are those of {_described(shown.backbone)}"
        check_matches(weights, wanted.required, file=path.name, hint=hint)
        return wanted.required, []
    for config in _candidates(content, wanted):
        if not len(mismatch(weights, shapes_of(config))):
            return config, []
    try:
        shown = infer(weights, num_heads=_num_heads(weights, wanted, path))
    except ValueError as error:
        raise ValueError(
            f"{path.name}: {error}: set it, for example {wanted.options_key}.num_heads=6"
        ) from error
    if shown is None:
        own = (
            f"they are not those of {wanted.likely[0].name}: {_difference(weights, wanted.likely[0])}; "
            if wanted.likely
            else ""
        )
        raise ValueError(
            f"{path.name}: the architecture is not recognised by its tensors ({_listed(sorted(weights))}): {own}name "
            f"it, for example {wanted.name_key}=resnet18d"
        )
    config = replace(shown.backbone, options={**shown.backbone.options, **wanted.options})
    check_matches(weights, config, file=path.name, hint=f". If it is another one, set {wanted.keys}")
    guess = f", with {shown.guess}" if shown.guess and not wanted.options else ""
    return config, [
        f"{path.name} is taken for {_described(config)}, by the shapes of its tensors{guess}; to overrule: "
        f"{wanted.keys}"
    ]


def _difference(weights: Mapping[str, Tensor], config: BackboneConfig) -> str:
    return str(mismatch(weights, shapes_of(config)))


def _inferred_or_none(weights: Mapping[str, Tensor], wanted: Wanted, path: Path) -> Inferred | None:
    try:
        return infer(weights, num_heads=_num_heads(weights, wanted, path))
    except ValueError:
        return None


def _described(config: BackboneConfig) -> str:
    options = {name: value for name, value in config.options.items() if value is not None}
    return f"{config.name} {options}" if options else config.name


def _candidates(content: Mapping[Any, Any], wanted: Wanted) -> Iterator[BackboneConfig]:
    """Architectures that the user or the file itself names."""
    if wanted.required:
        yield wanted.required
        return
    yield from wanted.likely
    for name in dict.fromkeys(_named(content)):
        if timm.is_model(name):
            yield BackboneConfig(name=name, options=dict(wanted.options), drop_path_rate=0.0)


def _named(content: Mapping[Any, Any], depth: int = 0) -> Iterator[str]:
    """Names of architectures among what a trainer saved: `arch`, and values of its arguments and hyperparameters."""
    for key, value in content.items():
        if isinstance(value, str) and key in (
            "arch",
            "architecture",
            "model",
            "model_name",
            "backbone",
            "name",
        ):
            yield value
        elif isinstance(value, argparse.Namespace):
            yield from _named(vars(value), depth + 1)
        elif (
            isinstance(value, Mapping)
            and depth < 3
            and not isinstance(next(iter(value.values()), None), Tensor)
        ):
            yield from _named(value, depth + 1)


def _num_heads(weights: Mapping[str, Tensor], wanted: Wanted, path: Path) -> int | None:
    """A ViT's number of heads, from the user or from the configuration that transformers wrote beside the weights."""
    own = wanted.options.get("num_heads")
    if own is not None:
        return int(own)
    config = config_beside(path)
    width = weights["cls_token"].shape[-1] if "cls_token" in weights else None
    heads = config.get("num_attention_heads")
    return heads if isinstance(heads, int) and config.get("hidden_size") == width else None


def _normalisation(path: Path) -> tuple[Channels, Channels] | None:
    values = config_beside(path, "preprocessor_config.json")
    mean, std = values.get("image_mean"), values.get("image_std")
    return (tuple(mean), tuple(std)) if isinstance(mean, list) and isinstance(std, list) else None


def _channels(translated: Translated) -> int:
    """The number of the images' channels: the input of the first layer."""
    first = next((value for value in translated.tensors.values() if value.ndim == 4), None)
    return 3 if first is None else first.shape[1]


def _ours(
    translated: Translated, found: FoundNetwork, config: BackboneConfig, file: str
) -> dict[str, Tensor]:
    """A network under our names, checked tensor by tensor."""
    weights = dict(translated.tensors)
    check_matches(weights, config, file=file)
    expected = shapes_of(config)
    weights |= {name: torch.tensor(0) for name in expected.keys() - weights.keys()}  # counters of batches
    broken = next((name for name, value in weights.items() if not value.isfinite().all()), None)
    if broken:
        raise ValueError(
            f"{file}: {broken} has values that are not numbers, so these weights are of a failed training"
        )
    return {BACKBONE + name: value for name, value in weights.items()} | head_names(found.head)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - 8
    return ", ".join(names[:8]) + (f" and {rest} more" if rest > 0 else "")
