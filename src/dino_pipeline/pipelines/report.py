"""The report pipeline: write one HTML page about a model."""

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
    """Write the page. The model's MLflow run gets a copy with commit, run and speed.

    Args:
        manifest: the manifest as a data frame.
        quarantine: quarantined files, with reasons, as a data frame.
        ingest_summary: counts and sizes of the data.
        project_folder: contains conf/; the manifest's paths start here.
        training_folder: holds the timing, on the machine that trained.
        model: the published model's folder.
        teacher_features: features of all images.
        metrics: the measures of evaluation.
        config: what to show.

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
        section = run_section(run.facts(), project_folder, training_folder / published.fingerprint, model)
        copy.write_text(render(content, section), encoding="utf-8")
        run.log_artifact(copy)
    logger.info("%s", content.verdict.headline)
    return render(content, None)


def create_pipeline() -> Pipeline:
    """Turn the outputs of all earlier stages into one page."""
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
