"""The pipelines by name, written out.

Kedro's `find_pipelines()` imports only the folder named like the pipeline asked for, which breaks composites.
Imports that take long happen inside the nodes.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from kedro.pipeline import Pipeline

from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.pipelines import (
    compare,
    evaluate,
    evaluations,
    extract,
    ingest,
    pretrain,
    probe,
    register,
    report,
    tune,
)

STAGES = {
    "ingest": ingest.create_pipeline,
    "pretrain": pretrain.create_pipeline,
    "extract": extract.create_pipeline,
    "probe": probe.create_pipeline,
    "evaluate": evaluate.create_pipeline,
    "report": report.create_pipeline,
    "register": register.create_pipeline,
}


class Experiment(NamedTuple):
    """A pipeline of many trainings."""

    create: Callable[[], Pipeline]
    after: str  # the last stage whose products it needs


# Many trainings at once, run when asked for; no stages of DVC: what is trained already is found, and a study grows.
EXPERIMENTS: dict[str, Experiment] = {
    "compare": Experiment(compare.create_pipeline, after="ingest"),
    "tune": Experiment(tune.create_pipeline, after="ingest"),
}


def stage_pipelines() -> dict[str, Pipeline]:
    """Each alone, tagged with its name: `kedro run --tags=<name>` is how DVC runs a stage or an evaluation."""
    pipelines = {name: create() for name, create in STAGES.items()}
    pipelines |= {name: evaluations.create_pipeline(known) for name, known in EVALUATIONS.items()}
    pipelines |= {name: known.create() for name, known in EXPERIMENTS.items()}
    return {name: Pipeline(pipeline, tags=name) for name, pipeline in pipelines.items()}


def register_pipelines() -> dict[str, Pipeline]:
    """Each stage together with those before it: `kedro run --pipeline=<name>` brings what it needs.

    What is done is not done twice: ingest keeps an index, and a trained model is not trained again.
    """
    alone = stage_pipelines()
    composites = dict(zip(STAGES, accumulate(alone[name] for name in STAGES), strict=True))
    default = composites[list(STAGES)[-1]]
    after: dict[str, str] = {name: known.after for name, known in EVALUATIONS.items()}
    after |= {name: known.after for name, known in EXPERIMENTS.items()}
    on_request = {name: composites[stage] + alone[name] for name, stage in after.items()}
    return {**composites, **on_request, "__default__": default}
