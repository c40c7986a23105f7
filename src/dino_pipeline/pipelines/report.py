"""Draw one page of a model from all that is known of it."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.report.config import ReportConfig
from dino_pipeline.workspace.config_loader import shared_parameters

REPORT = "report.html"

logger = logging.getLogger(__name__)


def draw_report(
    manifest: Any,
    quarantine: Any,
    ingest_summary: dict[str, Any],
    project_folder: Path,
    training_folder: Path,
    model: Path,
    teacher_features: Features,
    metrics: dict[str, Any],
    config: ReportConfig,
) -> str:
    """Draw the page; a copy that also names commit, run and speed goes to the model's MLflow run.

    Args:
        manifest: the manifest as a data frame.
        quarantine: files set aside, with reasons, as a data frame.
        ingest_summary: counts and sizes of the data.
        project_folder: the manifest's relative paths hang on this folder, and conf/ is in it.
        training_folder: where the machine that trained keeps its timing.
        model: the published model's folder.
        teacher_features: of all images.
        metrics: what evaluation measured.
        config: what is shown.

    Returns:
        the HTML file's text, equal for equal models.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.report.content import gather, run_section
    from dino_pipeline.report.page import render

    published = read_model(model)
    base, recipe = (
        shared_parameters(project_folder / "conf", name)["pretrain"] for name in ("base", published.recipe)
    )
    with compute.fixed_threads(config.num_threads):
        content = gather(
            Manifest.from_pandas(manifest, project_folder),
            list(quarantine.itertuples(index=False, name=None)),
            ingest_summary,
            model,
            teacher_features,
            metrics,
            base=base,
            recipe=recipe,
            config=config,
        )
    run = tracking.model_run(published.fingerprint)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / REPORT
        section = run_section(run.facts(), project_folder, training_folder / published.fingerprint)
        copy.write_text(render(content, section), encoding="utf-8")
        run.log_artifact(copy)
    logger.info("%s", content.verdict.headline)
    return render(content, None)


def create_pipeline() -> Pipeline:
    """All that is known of a model to one page."""
    return Pipeline(
        [
            Node(
                draw_report,
                inputs=[
                    "manifest",
                    "quarantine",
                    "ingest_summary",
                    "project_folder",
                    "training_folder",
                    "model",
                    "teacher_features",
                    "metrics",
                    "params:report",
                ],
                outputs="report",
                name="draw_report",
            )
        ]
    )
