"""Pretrain a backbone with DINO under torchrun."""

import logging
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.workspace.run_lock import run_lock

logger = logging.getLogger(__name__)


def pretrain(
    manifest: Any,  # a data frame; pandas is slow to import
    ingest_summary: dict[str, Any],
    project_folder: Path,
    training_folder: Path,
    recipe: str,
    model: ModelConfig,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
) -> Path:
    """Train under torchrun, or find the model trained already; where `model` names a checkpoint, import that.

    Returns:
        The folder of the finished model, which the catalog publishes.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.training import launch as launching
    from dino_pipeline.dino.training.comparison import read_verdict, sentence
    from dino_pipeline.dino.training.preparation import prepare
    from dino_pipeline.dino.training.progress import adopted_from, differing_keys, unfinished
    from dino_pipeline.experiments.diagnostics import log_findings
    from dino_pipeline.experiments.import_checkpoint import import_checkpoint
    from dino_pipeline.experiments.session_facts import session_facts
    from dino_pipeline.model_registry.provenance import origin_of_training
    from dino_pipeline.plotting.progress_bar import ProgressDisplay
    from dino_pipeline.tracking.dataset import log_dataset
    from dino_pipeline.tracking.sessions import log_session
    from dino_pipeline.tracking.system_metrics import SystemMetrics

    if model.checkpoint:
        return import_checkpoint(
            model,
            pretrain.multi_crop,
            project_folder=project_folder,
            training_folder=training_folder,
            recipe=recipe,
            ingest_summary=ingest_summary,
        )
    first_weights = origin_of_training(pretrain.initial_weights, pretrain.teacher.weights, project_folder)
    images = Manifest.from_pandas(manifest, project_folder)
    spec = prepare(
        images,
        pretrain,
        monitoring,
        launch,
        recipe=recipe,
        project_folder=project_folder,
        training_folder=training_folder,
    )
    identity, pretrain = spec.fingerprint, spec.pretrain
    for other, its_spec in unfinished(training_folder, recipe, other_than=identity).items():
        differing = differing_keys(its_spec["pretrain"], to_dict(pretrain)) or ["data or code"]
        logger.info(
            "an unfinished training differs in %s; to continue from it all the same: "
            "--params=launch.adopt_progress=%s",
            ", ".join(differing),
            other,
        )
    if launching.is_finished(spec):
        logger.info("this model is trained already (fingerprint %s)", identity)

    # Opened for a model trained already, too: a kill may have come between its end and its run's.
    tags = {
        "data_digest": images.digest(),
        "data_set": ingest_summary["name"],
        **first_weights.tags,
        **_continuation_tags(adopted_from(Path(spec.folder))),
    }
    with (
        # Recipes that ask for the same training share its folder.
        run_lock(Path(spec.folder) / "running.lock", f"the training {identity}"),
        tracking.open_model_run(identity, name=f"{recipe}-{identity[:6]}", tags=tags) as run,
        ProgressDisplay(
            Path(spec.folder), num_steps=pretrain.epochs * (len(images.split("train")) // pretrain.batch_size)
        ) as shown,
    ):
        run.log_params({"pretrain": to_dict(pretrain)})
        run.log_json(to_dict(pretrain), "configuration.json")
        run.log_artifact(Path(spec.manifest), "data")  # by which an image leads to the models that saw it
        log_dataset(run, ingest_summary, context="training")
        if not launching.is_finished(spec):
            log_session(run, project_folder, session_facts(spec))

        def follow() -> None:
            run.log_rows(shown.update())

        try:
            with SystemMetrics(run):
                finished = launching.launch(spec, on_progress=follow)
        finally:
            follow()
            log_findings(run, Path(spec.folder), pretrain)
        run.log_artifact(finished / "history.csv")
        verdict = read_verdict(finished)
        if verdict:
            logger.info("%s", sentence(verdict))
            run.set_tags({"verdict": verdict["verdict"]})
            run.log_json(verdict, "verdict.json")
    return finished


def _continuation_tags(source: str | None) -> dict[str, str]:
    """The link from a run that continues another training to that one's."""
    if source is None:
        return {}
    run = tracking.find_run(source)
    return {"continued_from": source, **({"continued_from_run": run.run_id} if run else {})}


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            Node(
                func=pretrain,
                inputs=[
                    "manifest",
                    "ingest_summary",
                    "project_folder",
                    "training_folder",
                    "params:recipe",
                    "params:model",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                ],
                outputs="model",
                name="pretrain",
            )
        ]
    )
