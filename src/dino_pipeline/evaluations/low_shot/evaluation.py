"""Nodes of the low_shot pipeline."""

import logging
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.low_shot.config import LowShotConfig

logger = logging.getLogger(__name__)


def measure_low_shot(
    teacher: Features,
    student: Features,
    random: Features,
    pixels: Features,
    histogram: Features,
    model: Path,
    config: LowShotConfig,
) -> dict[str, Any]:
    """Logistic regression and k-NN on shares of the train labels, logged to the model's run as a table."""
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.low_shot.measure import low_shot
    from dino_pipeline.dino.evaluation.low_shot.table import table
    from dino_pipeline.dino.weights.published import read_model

    networks = {
        "teacher": teacher,
        "student": student,
        "random": random,
        "pixels": pixels,
        "histogram": histogram,
    }
    networks = {name: stored for name, stored in networks.items() if len(stored)}  # not all have a student
    with compute.fixed_threads(config.num_threads):
        report = low_shot(networks, config, device=compute.device())
    logger.info("accuracy in percent, with 95 %% intervals over draws\n%s", table(report))

    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics(
        {
            f"low_shot/{network}/{classifier}_{share}_{split}": measured[split]
            for share, by_network in report["results"].items()
            for network, by_classifier in by_network.items()
            for classifier, measured in by_classifier.items()
            for split in ("val", "test")
            if measured[split] is not None
        }
    )
    run.log_json(report, "low_shot.json")
    run.log_json(to_dict(config), "low_shot_parameters.json")
    return report


def draw_low_shot(report: dict[str, Any]) -> Any:
    """Accuracy against the number of labels."""
    from dino_pipeline.evaluations.low_shot.plot import picture

    return picture(report)
