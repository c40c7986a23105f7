"""Make an evaluation's pipeline: its nodes and catalog entries; print and log its results."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.evaluations.evaluation import (
    EXTRACT,
    Context,
    Evaluation,
    Folder,
    Results,
    working_folder,
)

_REPORTING = "08_reporting"
_DATASETS: dict[str, dict[str, Any]] = {
    ".json": {"type": "json.JSONDataset"},
    ".png": {"type": "pillow.ImageDataset"},
    ".csv": {"type": "pandas.CSVDataset", "save_args": {"index": False}},
    ".parquet": {"type": "pandas.ParquetDataset"},
}
_FOLDER = "dino_pipeline.project.datasets.FolderDataset"

logger = logging.getLogger(__name__)


def create_pipeline(evaluation: Evaluation[Any]) -> Pipeline:
    """A node that measures, plots and logs. Where the evaluation has a check, a node before it checks the user's data.

    The check is its own node, so that a missing folder stops a run before a training.
    """
    name = evaluation.name
    inputs = {"config": f"params:{name}", "model": "model"}
    inputs |= {entry.removeprefix("params:"): entry for entry in evaluation.needs}
    if "manifest" in evaluation.needs:
        inputs["project_folder"] = "project_folder"
    nodes = []
    if evaluation.check:
        check_inputs = {"project_folder": "project_folder", "config": f"params:{name}"}
        check = _node_function(evaluation.check, check_inputs, evaluation, f"check_{name}")
        nodes.append(Node(check, check_inputs, _found(name), name=f"check_{name}"))
        inputs["found"] = _found(name)
    inputs |= {working_folder(output): working_folder(output) for output in _folders(evaluation)}

    def run(**values: Any) -> list[Any]:
        return _run(evaluation, {inputs[argument]: value for argument, value in values.items()})

    outputs = list(evaluation.outputs)
    nodes.append(Node(_node_function(run, inputs, evaluation, name), inputs, outputs, name=name))
    return Pipeline(nodes)


def catalog_entries(evaluation: Evaluation[Any], recipe: str) -> dict[str, dict[str, Any]]:
    """Configurations of the data sets that the pipeline writes, and of those between its nodes.

    `unwatched` in the metadata marks data that DVC neither tracks nor hashes, and gives the reason.
    """
    entries: dict[str, dict[str, Any]] = {}
    if evaluation.check:
        reason = "a list of the user's own files, which a parameter gives"
        entries[_found(evaluation.name)] = {"type": "MemoryDataset", "metadata": {"unwatched": reason}}
    for name, output in evaluation.outputs.items():
        path = output.path if isinstance(output, Folder) else output
        layer, _, file = path.rpartition("/")
        filepath = f"data/{layer or _REPORTING}/{recipe}/{file}"
        if isinstance(output, Folder):
            entries[name] = {"type": _FOLDER, "filepath": filepath, "marker": output.marker}
            metadata = {"unwatched": f"where {name} is written; emptied first"}
            entries[working_folder(name)] = {"type": _FOLDER, "filepath": filepath, "metadata": metadata}
        else:
            entries[name] = {**_DATASETS[Path(file).suffix], "filepath": filepath}
    return entries


def _found(name: str) -> str:
    return f"{name}_found"


def _folders(evaluation: Evaluation[Any]) -> list[str]:
    return [name for name, output in evaluation.outputs.items() if isinstance(output, Folder)]


def _node_function(
    function: Callable[..., Any], inputs: Mapping[str, str], evaluation: Evaluation[Any], name: str
) -> Callable[..., Any]:
    """The function with its own name and typed signature. Kedro validates parameters by the signature."""
    types: dict[str, Any] = {f"params:{evaluation.name}": evaluation.config, EXTRACT: ExtractConfig}
    annotations = {argument: types.get(entry, Any) for argument, entry in inputs.items()}

    def node_function(**values: Any) -> Any:
        return function(**values)

    node_function.__name__ = name
    node_function.__annotations__ = annotations
    node_function.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(key, Parameter.KEYWORD_ONLY, annotation=kind) for key, kind in annotations.items()]
    )
    return node_function


def _run(evaluation: Evaluation[Any], inputs: Mapping[str, Any]) -> list[Any]:
    """Measure, plot, print and log. Returns the values of the outputs in their order."""
    from dino_pipeline.dino.evaluation import compute

    config = inputs[f"params:{evaluation.name}"]
    context = Context(config, inputs, inputs.get(_found(evaluation.name)))
    for name in _folders(evaluation):
        shutil.rmtree(context.folder(name))  # files of an earlier or interrupted run
    with compute.fixed_threads(config.num_threads):
        results = evaluation.run(context)
        picture = evaluation.plot(context, results) if evaluation.plot else None
    logger.info("%s", results.text)
    _log(evaluation, context, results, picture)
    values = {**results.tables, **{name: context.folder(name) for name in _folders(evaluation)}}
    values |= dict.fromkeys(_named(evaluation, ".json"), results.report)
    values |= dict.fromkeys(_named(evaluation, ".png"), picture)
    return [values[name] for name in evaluation.outputs]


def _named(evaluation: Evaluation[Any], suffix: str) -> dict[str, str]:
    """Files with this suffix, by catalog name."""
    files = {name: path for name, path in evaluation.outputs.items() if isinstance(path, str)}
    return {name: path for name, path in files.items() if path.endswith(suffix)}


def _log(evaluation: Evaluation[Any], context: Context[Any], results: Results, picture: Any) -> None:
    """Log to the model's run: metrics, the report, the parameters, the picture, and tables for people."""
    from dino_pipeline.dino.weights.published import read_model

    name = evaluation.name
    run = tracking.model_run(read_model(context.model).fingerprint)
    run.log_metrics({f"{name}/{key}": value for key, value in results.metrics.items()})
    for epoch, metrics in enumerate(results.by_epoch, start=1):
        run.log_metrics({f"{name}/{key}": value for key, value in metrics.items()}, epoch)
    run.log_json(results.report, f"{name}.json")
    run.log_json(to_dict(context.config), f"{name}_parameters.json")
    with tempfile.TemporaryDirectory() as folder:
        for file in _named(evaluation, ".png").values():
            picture.save(Path(folder) / file)
            run.log_artifact(Path(folder) / file)
        for output, file in _named(evaluation, ".csv").items():
            results.tables[output].to_csv(Path(folder) / file, index=False)
            run.log_artifact(Path(folder) / file)
