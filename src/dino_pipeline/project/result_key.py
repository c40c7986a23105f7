"""A key of a node's result: a digest of its inputs, its parameters and the code that it imports."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog, DatasetError
from kedro.pipeline.node import Node

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.losses.config import is_own_class
from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.project.dvc_stages import watched_files
from dino_pipeline.project.imported_code import ImportedCode
from dino_pipeline.project.results import content_digest
from dino_pipeline.workspace.config_loader import shared_parameters

# The other stages find their results by themselves: ingest by its index, trainings by their fingerprint, register in
# MLflow's registry.
KEPT_STAGES = ("extract", "probe", "evaluate", "report", *EVALUATIONS)
# A key spares an unchanged project the import of PyTorch. Where it finds nothing, the fingerprint still does.
PRETRAIN = "pretrain"
_PACKAGE = Path(__file__).parents[1]
_MODEL = "model.json"


def _architecture(model: Path) -> dict[str, Any]:
    """What the baselines take from a model: all but its weights."""
    config = json.loads((model / _MODEL).read_text())["config"]
    return {name: config.get(name) for name in ("backbone", "images", "mean", "std")}


def _recipe_values(conf: Path, model: Path) -> list[Any]:
    """What the report shows beside the model's own parameters. It reads them from conf/, not as an input."""
    recipe = json.loads((model / _MODEL).read_text())["recipe"]
    return [shared_parameters(conf, name)["pretrain"] for name in ("base", recipe)]


# Nodes that depend on a part of the model only.
_OF_THE_MODEL: Mapping[str, Callable[[Path], Any]] = {
    "extract_baselines": _architecture,
    "probe_baselines": _architecture,
}
# Nodes that read more than their inputs, from conf/ and the model.
_BESIDE_INPUTS: Mapping[str, Callable[[Path, Path], Any]] = {"draw_report": _recipe_values}


class ResultKeys:
    """Computes keys. It hashes each stage's code, and each file of the catalog, once a run."""

    def __init__(self, project: Path, catalog: DataCatalog) -> None:
        self._project = project
        self._catalog = catalog
        self._imported = ImportedCode(_PACKAGE)
        self._code: dict[str, str] = {}

    def key(self, node: Node) -> str | None:
        """16 hex digits; None for a node that is run each time: an input is missing, or outputs are no local files."""
        stage = next((tag for tag in (*KEPT_STAGES, PRETRAIN) if tag in node.tags), None)
        if stage is None or not node.outputs or len(self.output_paths(node)) < len(node.outputs):
            return None
        if stage == PRETRAIN and self._names_code_or_weights():
            return None
        try:
            inputs = {name: self._input_digest(node, name) for name in node.inputs}
            if node.short_name in _BESIDE_INPUTS:
                inputs["conf"] = _BESIDE_INPUTS[node.short_name](self._project / "conf", self._model)
        except (DatasetError, OSError):
            return None  # the node itself says what is missing
        identity = {"node": node.short_name, "inputs": inputs, "code": self._code_digest(stage)}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def output_paths(self, node: Node) -> dict[str, Path]:
        """The paths of those outputs that are local files or folders of the project."""
        paths = {name: self._path(name) for name in node.outputs if self._is_watched(name)}
        return {name: path for name, path in paths.items() if path is not None}

    def _input_digest(self, node: Node, name: str) -> Any:
        if name.startswith("params:"):
            value = self._catalog.load(name)
            values = to_dict(value) if is_dataclass(value) else value
            return [values, [_user_digest(file) for file in _named_files(values, self._project)]]
        if name == "model" and node.short_name in _OF_THE_MODEL:
            return _OF_THE_MODEL[node.short_name](self._model)
        if not self._is_watched(name):
            return None  # its metadata give the reason
        path = self._path(name)
        if path is None or not path.exists():
            raise DatasetError(f"{name} is no local file that exists")
        return content_digest(path)

    def _names_code_or_weights(self) -> bool:
        """Whether the training reads what no key covers: a loss of the user's own, or weights by any of their names."""
        pretrain, model = (to_dict(self._catalog.load(f"params:{group}")) for group in ("pretrain", "model"))
        weights = [pretrain["initial_weights"], pretrain["teacher"].get("weights"), model["checkpoint"]]
        return is_own_class(pretrain["loss"]["name"]) or any(weights)

    @property
    def _model(self) -> Path:
        folder: Path = self._catalog.load("model")
        return folder

    def _is_watched(self, name: str) -> bool:
        return "unwatched" not in (getattr(self._catalog[name], "metadata", None) or {})

    def _path(self, name: str) -> Path | None:
        """The dataset's path; None for data in memory."""
        path = getattr(self._catalog[name], "_filepath", None)
        return self._project / path if path else None

    def _code_digest(self, stage: str) -> str:
        if stage not in self._code:
            self._code[stage] = self._imported.digest(watched_files(self._imported, stage))
        return self._code[stage]


def _named_files(values: Any, project: Path) -> Iterator[Path]:
    """Files and folders that exist and that parameters name, absolute or from the project's folder."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        for value in values:
            yield from _named_files(value, project)
    elif isinstance(values, str) and values:
        path = project / Path(values).expanduser()
        with suppress(OSError):  # no name of a file, such as a long text
            if path.exists():
                yield path


def _user_digest(path: Path) -> str:
    """Digest of a file's content, or of a folder's names, sizes and times: the user's images may be many."""
    if path.is_file():
        return content_digest(path)
    stats = {str(file): file.stat() for file in sorted(path.rglob("*")) if file.is_file()}
    lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
