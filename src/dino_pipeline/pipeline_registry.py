"""The pipelines by name, written out.

Kedro's `find_pipelines()` imports only the folder named like the pipeline asked for, which breaks composites.
Imports that take long happen inside the nodes.
"""

from itertools import accumulate

from kedro.pipeline import Pipeline

from dino_pipeline.pipelines import evaluate, extract, ingest, pretrain, register, report

STAGES = {
    "ingest": ingest.create_pipeline,
    "pretrain": pretrain.create_pipeline,
    "extract": extract.create_pipeline,
    "evaluate": evaluate.create_pipeline,
    "report": report.create_pipeline,
    "register": register.create_pipeline,
}


def stage_pipelines() -> dict[str, Pipeline]:
    """Each stage alone, its nodes tagged with its name: `kedro run --tags=<name>` is how DVC runs one."""
    return {name: Pipeline(create(), tags=name) for name, create in STAGES.items()}


def register_pipelines() -> dict[str, Pipeline]:
    """Each stage together with those before it: `kedro run --pipeline=<name>` brings what it needs.

    What is done is not done twice: ingest keeps an index, and a trained model is not trained again.
    """
    stages = stage_pipelines()
    composites = dict(zip(stages, accumulate(stages.values()), strict=True))
    return {**composites, "__default__": sum(stages.values(), start=Pipeline([]))}
