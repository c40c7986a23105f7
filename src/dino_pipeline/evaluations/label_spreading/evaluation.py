"""Nodes of the label_spreading pipeline."""

import logging
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.label_spreading.config import LabelSpreadingConfig

logger = logging.getLogger(__name__)


def spread_labels(
    manifest: Any,
    project_folder: Path,
    teacher: Features,
    random: Features,
    model: Path,
    config: LabelSpreadingConfig,
) -> tuple[Any, dict[str, Any]]:
    """A label for every image by the teacher's features, and how right it is, random features beside."""
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.label_spreading import given as labels
    from dino_pipeline.dino.evaluation.label_spreading import measure
    from dino_pipeline.dino.evaluation.label_spreading.spread import spread_labels as spread
    from dino_pipeline.dino.weights.published import read_model

    images = Manifest.from_pandas(manifest, project_folder)
    if config.labels is None:
        given = labels.draw_labels(images, config.fraction, seed=config.seed)
    else:
        given = labels.read_labels(project_folder / config.labels, images)
    networks = {}
    with compute.fixed_threads(config.num_threads):
        for name, features in {"teacher": teacher, "random": random}.items():
            if features.row_ids.tolist() != images.row_ids.tolist():
                raise ValueError(
                    f"the {name}'s features are of another manifest: kedro run --pipeline=extract makes them anew"
                )
            networks[name] = spread(features.embedding, given, config, device=compute.device())
    report = measure.measure_spreading(images, given, networks)
    logger.info("accuracy of spread labels in percent\n%s", measure.summary(report))

    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics(
        {
            f"label_spreading/{network}/{split}_{name}": value
            for split, by_network in report["results"].items()
            for network, values in by_network.items()
            for name, value in values.items()
        }
    )
    run.log_json(report, "label_spreading.json")
    run.log_json(to_dict(config), "label_spreading_parameters.json")
    return measure.spread_table(images, given, networks["teacher"]).to_pandas(), report
