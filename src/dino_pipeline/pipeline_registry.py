"""All pipelines by name.

Kedro's `find_pipelines()` imports only the folder of the requested pipeline's name, which breaks composites.
Slow imports happen inside the nodes.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from kedro.pipeline import Pipeline

from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.pipelines import (
    compare,
    cost,
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


# Many trainings at once, run on request. They are no DVC stages: finished trainings are found, and a study grows.
EXPERIMENTS: dict[str, Experiment] = {
    "compare": Experiment(compare.create_pipeline, after="ingest"),
    "tune": Experiment(tune.create_pipeline, after="ingest"),
}


def stage_pipelines() -> dict[str, Pipeline]:
    """Each pipeline alone, tagged with its name. DVC runs a stage or an evaluation by `kedro run --tags=<name>`."""
    pipelines = {name: create() for name, create in STAGES.items()}
    pipelines |= {name: evaluations.create_pipeline(known) for name, known in EVALUATIONS.items()}
    pipelines |= {name: known.create() for name, known in EXPERIMENTS.items()}
    return {name: Pipeline(pipeline, tags=name) for name, pipeline in pipelines.items()}


def register_pipelines() -> dict[str, Pipeline]:
    """Each stage together with the stages before it: `kedro run --pipeline=<name>` makes what it needs.

    Nothing is done twice: ingest keeps an index, and a trained model is not trained again.
    """
    alone = stage_pipelines()
    composites = dict(zip(STAGES, accumulate(alone[name] for name in STAGES), strict=True))
    default = composites[list(STAGES)[-1]]
    after: dict[str, str] = {name: known.after for name, known in EVALUATIONS.items()}
    after |= {name: known.after for name, known in EXPERIMENTS.items()}
    on_request = {name: composites[stage] + alone[name] for name, stage in after.items()}
    return {**composites, **on_request, "cost": cost.create_pipeline(), "__default__": default}
