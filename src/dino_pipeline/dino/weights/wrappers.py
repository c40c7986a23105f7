"""Find the networks in what a trainer saved, whatever it wrapped around them.

A network is found by a tensor that every backbone of its kind has, such as `patch_embed.proj.weight`. What stands
before it is the wrapper: `state_dict`, `model.`, `teacher.backbone.`, `module.encoder_q.` and so on.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

# One of a backbone's first tensors, in the names of timm, the published codes, torchvision and transformers.
_ANCHORS = (
    "patch_embed.proj.weight",
    "patch_embed.proj.0.0.weight",  # XCiT
    "embeddings.patch_embeddings.projection.weight",
    "embeddings.patch_embeddings.weight",
    "conv_proj.weight",  # torchvision's ViT
    "layer1.0.conv1.weight",
    "4.0.conv1.weight",  # a ResNet's children in a Sequential, as lightly's examples have them
    "stages.0.blocks.0.conv_dw.weight",
    "downsample_layers.0.0.weight",  # ConvNeXt as published
)
# Names that parallel training, compilation and checkpointing put around a module.
_TRANSPARENT = re.compile(
    r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
_NOT_WEIGHTS = re.compile(r"(optimizer|callbacks|loops|lr_sched|scheduler|scaler)", re.IGNORECASE)
_WORDS = re.compile(r"[a-z0-9]+")
_AVERAGED, _STUDENT = {"teacher", "ema"}, "student"
_FOLLOWING = {"momentum", "target", "k", "key"}  # where the other network is the one that is evaluated


class Network(NamedTuple):
    """A network in a file.

    Attributes:
        prefix: what stands before the names of its backbone, with the last dot.
        backbone: tensors by name, without the prefix; may include heads.
        head: DINO's projection head beside the backbone, `mlp.*` and `last_layer.*`; mostly empty.
    """

    prefix: str
    backbone: dict[str, Tensor]
    head: dict[str, Tensor]

    @property
    def title(self) -> str:
        return self.prefix.rstrip(".") or "the file's own tensors"


class Contents(NamedTuple):
    """The networks of a file, best first, and the names of all its tensors."""

    networks: list[Network]
    others: list[str]  # groups of tensors that belong to no network, and an optimizer's state

    def partner(self, chosen: Network) -> Network | None:
        """The student of a chosen teacher."""
        words = _WORDS.findall(chosen.prefix)
        if "teacher" not in words:
            return None
        wanted = chosen.prefix.replace("teacher", _STUDENT)
        return next((other for other in self.networks if other.prefix == wanted), None)


def find_networks(content: Mapping[Any, Any]) -> Contents:
    """Find every backbone in the content of a file.

    Args:
        content: tensors by name, in mappings of any depth.
    """
    tensors = dict(_tensors(content))
    prefixes = {
        name.removesuffix(anchor)
        for name in tensors
        for anchor in _ANCHORS
        if name == anchor or name.endswith(f".{anchor}")
    }
    ranked = sorted(prefixes, key=lambda prefix: (_rank(prefix), len(prefix), prefix))
    found = [_network(prefix, tensors, [p for p in prefixes if len(p) > len(prefix)]) for prefix in ranked]
    used = {f"{one.prefix}{name}" for one in found for name in one.backbone}
    used |= {f"{_around(one.prefix)}head.{name}" for one in found for name in one.head}
    groups = Counter(_group(name, found) for name in tensors if name not in used)
    others = [f"{group} ({count} tensors)" if count > 1 else group for group, count in sorted(groups.items())]
    return Contents(found, others + [str(key) for key in content if _NOT_WEIGHTS.match(str(key))])


def tensors_of(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """All tensors of a file by their full names, without the names of parallel training and compilation."""
    return dict(_tensors(content))


def _tensors(content: Mapping[Any, Any], prefix: str = "") -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Tensor):
            found.append((_TRANSPARENT.sub("", name), value))
        elif isinstance(value, Mapping) and not _NOT_WEIGHTS.match(str(key)):
            found += _tensors(value, f"{name}.")
    return found


def _network(prefix: str, tensors: Mapping[str, Tensor], inner: Sequence[str]) -> Network:
    around = f"{_around(prefix)}head."
    head = {name.removeprefix(around): value for name, value in tensors.items() if name.startswith(around)}
    is_dino = prefix != _around(prefix) and any(name.startswith("last_layer") for name in head)
    return Network(
        prefix,
        {
            name.removeprefix(prefix): value
            for name, value in tensors.items()
            if name.startswith(prefix) and not name.startswith(tuple(inner))
        },
        head if is_dino else {},
    )


def _around(prefix: str) -> str:
    """What stands around `backbone.`: there DINO's head lies."""
    return re.sub(r"backbone\.(model\.)?$", "", prefix)


def _rank(prefix: str) -> int:
    """Which network to take first: an averaged teacher, then the only one, then a student, then a momentum encoder."""
    words = set(_WORDS.findall(prefix))
    if words & _AVERAGED:
        return 0
    if words & _FOLLOWING:
        return 3
    return 2 if _STUDENT in words else 1


def _group(name: str, found: list[Network]) -> str:
    """A short name for a tensor that is left out: its first part below what wraps the network."""
    for one in found:
        if name.startswith(_around(one.prefix)):
            start = _around(one.prefix)
            return start + name.removeprefix(start).partition(".")[0]
    return name.partition(".")[0]
