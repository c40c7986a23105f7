"""Run a pipeline's nodes one after the other, and none whose result is known."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner, Task
from pluggy import PluginManager

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict, frozen
from dino_pipeline.project.result_key import KEPT_STAGES, PRETRAIN, ResultKeys
from dino_pipeline.project.results import RESULTS, Result, ResultStore
from dino_pipeline.tracking.git_info import dvc_tags
from dino_pipeline.tracking.tracker import run_tags
from dino_pipeline.workspace.experiment_copy import outside_copy

_STAGE_LOGGER = "dino_pipeline.pipelines"  # what stages say about their results, and not how far they are
_TAG = "result"
_MODEL = "model.json"

logger = logging.getLogger(__name__)


@frozen
class ResultsConfig:
    """How results are found."""

    again: str | tuple[str, ...]  # stages to run though nothing has changed, or "all"


class FindingRunner(SequentialRunner):
    """Finds results of stages in data/.results, and keeps new ones there. See `result_key` for what decides."""

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Any,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        project: Path = catalog.load("project_folder")
        store = ResultStore(outside_copy(project) / RESULTS)
        keys = ResultKeys(project, catalog)
        again = _stages_to_make_again(catalog)
        for node in pipeline.nodes:
            key = keys.key(node)
            task = Task(
                node=node,
                catalog=catalog,
                hook_manager=hook_manager,
                is_async=self._is_async,
                run_id=run_id,
            )
            if key is None:
                task.execute()
                continue
            result = None if node.tags & again else store.find(node.short_name, key)
            if result is None or (PRETRAIN in node.tags and not _run_is_complete(result, key)):
                _run_and_keep(task, key, store, keys.output_paths(node))
            else:
                result.restore(keys.output_paths(node))
                _log_found(node, key, result)


def _stages_to_make_again(catalog: DataCatalog) -> set[str]:
    if "params:results" not in catalog:  # the conf/base of a project from an older version
        return set()
    config = from_dict(ResultsConfig, catalog.load("params:results"))
    again = {config.again} if isinstance(config.again, str) else set(config.again)
    unknown = again - {*KEPT_STAGES, "all"}
    if unknown:
        raise ValueError(
            f"results.again names {', '.join(sorted(unknown))}; it takes all, or some of: {', '.join(KEPT_STAGES)}"
        )
    return set(KEPT_STAGES) if "all" in again else again


def _run_and_keep(task: Task, key: str, store: ResultStore, outputs: dict[str, Path]) -> None:
    node = task.node
    with store.making(node.short_name, key) as draft:
        if PRETRAIN in node.tags:  # the node itself brings the run of a trained model up to date
            task.execute()
            fingerprints = [json.loads((outputs["model"] / _MODEL).read_text())["fingerprint"]]
            message = f"this model is trained already (fingerprint {fingerprints[0]})"
            draft.complete(outputs, messages=[message], records=[])
        else:
            with tracking.Recording(draft.records_folder) as recording, _messages() as messages:
                task.execute()
            draft.complete(outputs, messages=messages, records=recording.records)
            fingerprints = _fingerprints(recording.records)
    for fingerprint in fingerprints:
        tracking.model_run(fingerprint).set_tags({f"{_TAG}.{node.short_name}": key})


def _run_is_complete(result: Result, key: str) -> bool:
    """Whether the run of a trained model has all that the node `pretrain` would log."""
    model = json.loads((result.folder / "model" / _MODEL).read_text())
    return {f"{_TAG}.{PRETRAIN}": key, **dvc_tags()}.items() <= run_tags(model["fingerprint"]).items()


def _log_found(node: Node, key: str, result: Result) -> None:
    """Say that the result was found, repeat what the node said of it, and log it to runs that lack it."""
    found = result.description
    made = datetime.fromisoformat(found.made).strftime("%d %B %Y, %H:%M")
    logger.info("%s: nothing has changed; found the result of %s", _title(node), made)
    for message in found.messages:
        logger.info("%s", message)
    tag = f"{_TAG}.{node.short_name}"
    for fingerprint in _fingerprints(found.records):
        run = tracking.model_run(fingerprint)
        if run.tags().get(tag) != key:
            own = [record for record in found.records if record["run"] == fingerprint]
            run.log_again(own, result.records_folder)
            run.set_tags({tag: key})


def _title(node: Node) -> str:
    return node.short_name.replace("_", " ")


def _fingerprints(records: Any) -> list[str]:
    return sorted({record["run"] for record in records})


@contextmanager
def _messages() -> Iterator[list[str]]:
    """Collect what a stage says about its result."""
    collected: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(record.getMessage())

    handler = Collector(logging.INFO)
    stage_logger = logging.getLogger(_STAGE_LOGGER)
    stage_logger.addHandler(handler)
    try:
        yield collected
    finally:
        stage_logger.removeHandler(handler)
