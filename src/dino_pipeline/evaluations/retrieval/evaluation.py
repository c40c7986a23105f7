"""Nodes of the retrieval pipeline."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.retrieval.config import RetrievalConfig

logger = logging.getLogger(__name__)


def evaluate_retrieval(
    manifest: Any, project_folder: Path, model: Path, extract: ExtractConfig, config: RetrievalConfig
) -> tuple[dict[str, Any], Any]:
    """Search train images, and revisited data sets where they are given, by teacher, student and random network.

    Returns:
        the numbers, and a picture of some queries with the teacher's nearest neighbours.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.retrieval.retrieve import check_data, retrieve
    from dino_pipeline.dino.evaluation.retrieval.summary import flat_metrics, retrieval_table
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.retrieval.plot import neighbors_picture

    images = Manifest.from_pandas(manifest, project_folder)
    check_data(images, config, root=project_folder)
    device = compute.device()
    with compute.fixed_threads(config.num_threads):
        networks = load_networks(model, images.split("train"), extract, device=device)
        report, searched, criterion = retrieve(
            images, networks, config, extract, root=project_folder, device=device
        )
        picture = neighbors_picture(searched, criterion, config.picture)
    logger.info("retrieval in percent\n%s", retrieval_table(report))

    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics({f"retrieval/{name}": value for name, value in flat_metrics(report).items()})
    run.log_json(report, "retrieval.json")
    run.log_json(to_dict(config), "retrieval_parameters.json")
    with tempfile.TemporaryDirectory() as folder:
        picture.save(Path(folder) / "retrieval.png")
        run.log_artifact(Path(folder) / "retrieval.png")
    return report, picture
