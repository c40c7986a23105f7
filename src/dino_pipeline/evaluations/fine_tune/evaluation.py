"""Nodes of the fine_tune pipeline."""

import logging
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.fine_tune.config import FineTuneConfig

logger = logging.getLogger(__name__)


def fine_tune_model(
    manifest: Any, project_folder: Path, model: Path, config: FineTuneConfig, extract: ExtractConfig
) -> dict[str, Any]:
    """Accuracies after training end to end from each start, logged to the model's run as a table and as curves."""
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.fine_tune.measure import measure_fine_tuning, summary
    from dino_pipeline.dino.weights.published import read_model

    images = Manifest.from_pandas(manifest, project_folder)
    with compute.fixed_threads(config.num_threads):
        report = measure_fine_tuning(images, model, config, extract, device=compute.device())
    logger.info("accuracy in percent after fine-tuning\n%s", summary(report))

    run = tracking.model_run(read_model(model).fingerprint)
    for start, result in report["results"].items():
        scored = {name: result[name] for name in ("val", "test") if result[name] is not None}
        run.log_metrics({f"fine_tune/{start}/{name}": value for name, value in scored.items()})
        curves = zip(result["val_by_epoch"], result["loss_by_epoch"], strict=True)
        for epoch, (val, loss) in enumerate(curves, start=1):
            run.log_metrics(
                {f"fine_tune/{start}/val_by_epoch": val, f"fine_tune/{start}/loss_by_epoch": loss}, epoch
            )
    run.log_json(report, "fine_tune.json")
    run.log_json(to_dict(config), "fine_tune_parameters.json")
    return report


def draw_fine_tuning(report: dict[str, Any]) -> Any:
    """Validation accuracy by epoch."""
    from dino_pipeline.evaluations.fine_tune.plot import picture

    return picture(report)
