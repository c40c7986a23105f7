"""The pipelines by name, written out.

Kedro's `find_pipelines()` imports only the folder named like the pipeline asked for, which breaks composites.
Imports that take long happen inside the nodes.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from kedro.pipeline import Pipeline

from dino_pipeline.pipelines import (
    attention_segmentation,
    compare,
    copy_detection,
    data_quality,
    evaluate,
    extract,
    fine_tune,
    ingest,
    label_spreading,
    low_shot,
    patch_segmentation,
    pretrain,
    probe,
    register,
    report,
    retrieval,
    tune,
    video_segmentation,
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


class Evaluation(NamedTuple):
    """A pipeline that is run when asked for."""

    create: Callable[[], Pipeline]
    after: str  # the last stage whose products it needs


# What else the paper measures; evaluations/dvc.yaml has their stages.
EVALUATIONS: dict[str, Evaluation] = {
    "data_quality": Evaluation(data_quality.create_pipeline, after="extract"),
    "attention_segmentation": Evaluation(attention_segmentation.create_pipeline, after="pretrain"),
    "patch_segmentation": Evaluation(patch_segmentation.create_pipeline, after="pretrain"),
    "retrieval": Evaluation(retrieval.create_pipeline, after="pretrain"),
    "copy_detection": Evaluation(copy_detection.create_pipeline, after="pretrain"),
    "video_segmentation": Evaluation(video_segmentation.create_pipeline, after="pretrain"),
    "low_shot": Evaluation(low_shot.create_pipeline, after="extract"),
    "label_spreading": Evaluation(label_spreading.create_pipeline, after="extract"),
    "fine_tune": Evaluation(fine_tune.create_pipeline, after="pretrain"),
}

# Many trainings at once, run when asked for; no stages of DVC: what is trained already is found, and a study grows.
EXPERIMENTS: dict[str, Evaluation] = {
    "compare": Evaluation(compare.create_pipeline, after="ingest"),
    "tune": Evaluation(tune.create_pipeline, after="ingest"),
}


def stage_pipelines() -> dict[str, Pipeline]:
    """Each alone, tagged with its name: `kedro run --tags=<name>` is how DVC runs a stage or an evaluation."""
    on_request = EVALUATIONS | EXPERIMENTS
    creators = STAGES | {name: pipeline.create for name, pipeline in on_request.items()}
    return {name: Pipeline(create(), tags=name) for name, create in creators.items()}


def register_pipelines() -> dict[str, Pipeline]:
    """Each stage together with those before it: `kedro run --pipeline=<name>` brings what it needs.

    What is done is not done twice: ingest keeps an index, and a trained model is not trained again.
    """
    alone = stage_pipelines()
    composites = dict(zip(STAGES, accumulate(alone[name] for name in STAGES), strict=True))
    default = composites[list(STAGES)[-1]]
    on_request = {
        name: composites[known.after] + alone[name] for name, known in (EVALUATIONS | EXPERIMENTS).items()
    }
    return {**composites, **on_request, "__default__": default}
