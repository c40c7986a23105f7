"""A training's fingerprint: an identity made from the parameters, images and code that decide its weights.

The code is dino/core as a syntax tree, so that its behaviour counts and its wording does not.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import timm
import torch

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.losses.config import is_own_class
from dino_pipeline.dino.core.losses.loss import loss_class
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.weights.older_files import LATER_FIELDS

CORE = Path(__file__).parents[1] / "core"
# A file in these folders counts only for trainings that name it.
_PLUG_INS = (Path("losses/methods"), Path("models/backbones"))
_BACKBONES = "dino_pipeline.dino.core.models.backbones."

_LOGGERS = {"logger", "logging", "warnings"}
_WORDING_ONLY = {"__future__", "collections.abc", "logging", "typing", "warnings"}
# Positions, spellings, and fields that only some Python versions write.
_IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_params", "type_ignores", "simple"}


def fingerprint(config: PretrainConfig, images: Manifest) -> str:
    """16 hex digits, equal exactly for trainings that must give equal weights (up to rounding).

    Args:
        config: resolved, with hashes in place of weights' files.
        images: all splits. Only train counts: its images in order, and its labels if the loss needs them.
    """
    loss = loss_class(config.loss.name, root=images.root)
    identity = {
        "config": _as_before(to_dict(config)),
        "data": images.split("train").training_digest(with_labels=loss.needs_labels),
        "code": code_digest(config, CORE, images.root),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def code_digest(config: PretrainConfig, core: Path, root: Path) -> str:
    """Digest of the code that decides a training's weights: the core, and the plug-ins that the training names.

    Args:
        core: the folder dino/core, or a copy.
        root: the project folder, where the user's own loss files lie.
    """
    named = _named_plug_ins(config)
    files = [
        file
        for file in core.rglob("*.py")
        if (relative := file.relative_to(core)).parent not in _PLUG_INS
        or file.stem == "__init__"
        or relative in named
    ]
    if is_own_class(config.loss.name):
        files.append(root / config.loss.name.rpartition(":")[0])
    # Sorted by digest, because a file's location decides nothing.
    digests = sorted(syntax_digest(file.read_text(encoding="utf-8")) for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def syntax_digest(source: str) -> str:
    """Digest of a Python file's syntax tree, equal for all versions of Python.

    It leaves out docstrings, comments, positions, annotations, fields without a value (configurations hash those),
    validators, messages of errors and asserts, logging calls, and imports that only these use.
    """
    tree = _Wordless().visit(ast.parse(source))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return hashlib.sha256(_text(_UsedImports(used).visit(tree)).encode()).hexdigest()


def _as_before(config: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields that were added later and have the value that matches older trainings."""
    for name, value in LATER_FIELDS.items():
        first, *groups, field = name.split(".")
        if first != "pretrain":
            continue
        group: Any = config
        for key in groups:
            group = group[key] if group is not None else None
        if group is not None and group.get(field) == value:
            del group[field]
    return config


def _named_plug_ins(config: PretrainConfig) -> set[Path]:
    losses, backbones = _PLUG_INS
    named = set() if is_own_class(config.loss.name) else {losses / f"{config.loss.name}.py"}
    networks = [network for network in (config.network, config.frozen_teacher) if network is not None]
    return named | {backbones / f"{module}.py" for network in networks for module in _modules_of(network)}


def _modules_of(network: BackboneConfig) -> Iterator[str]:
    """Modules of models/backbones that define this network: its adapter, and its architecture if timm lacks it."""
    with torch.device("meta"):  # shapes without memory
        adapter = type(build_backbone(network))
    for module in (adapter.__module__, timm.models.model_entrypoint(network.name).__module__):
        if module.startswith(_BACKBONES):
            yield module.removeprefix(_BACKBONES)


class _Wordless(ast.NodeTransformer):
    """Drops the parts of a syntax tree that cannot change a weight."""

    def visit(self, node: ast.AST) -> Any:
        """The node without wording; None if nothing remains."""
        super().generic_visit(node)
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log(node.value)):
            return None  # a docstring or a logging call
        if isinstance(node, ast.Assign) and _is_log(node.value):
            return None  # the logger
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_name(decorator).endswith("_validator") for decorator in node.decorator_list):
                return None
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            if node.value is None:
                return None
            return ast.Assign(targets=[node.target], value=node.value)
        elif isinstance(node, ast.Raise):
            node.cause = None
            if isinstance(node.exc, ast.Call):
                node.exc = node.exc.func
        elif isinstance(node, ast.Assert):
            node.msg = None
        elif isinstance(node, ast.If) and _name(node.test).endswith("TYPE_CHECKING"):
            return None
        elif isinstance(node, ast.JoinedStr):
            node.values = list(_joined(node.values))
        return node


class _UsedImports(ast.NodeTransformer):
    """Keeps only imports of names that are used. Which module of this package defines a name does not count."""

    def __init__(self, used: Iterable[str]) -> None:
        self.used = set(used)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [name for name in node.names if self._is_used(name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.module in _WORDING_ONLY:
            return None
        node.names = [name for name in node.names if self._is_used(name)]
        if (node.module or "").startswith("dino_pipeline."):
            node.module = None
        return node if node.names else None

    def _is_used(self, name: ast.alias) -> bool:
        bound = name.asname or name.name.split(".")[0]
        return bound in self.used and bound not in _WORDING_ONLY


def _name(node: ast.AST) -> str:
    """A dotted name; empty for any other node."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node).split(".")[0] in _LOGGERS


def _joined(values: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Merge neighbouring constants of an f-string, because Python versions split them differently."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)


def _text(node: Any) -> str:
    """A tree as text. It leaves out empty fields, because newer versions of Python add some."""
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields: Mapping[str, Any] = {
        name: value
        for name, value in ast.iter_fields(node)
        if name not in _IGNORED_FIELDS and value is not None and value != []
    }
    return f"{type(node).__name__}({','.join(f'{name}={_text(value)}' for name, value in fields.items())})"
