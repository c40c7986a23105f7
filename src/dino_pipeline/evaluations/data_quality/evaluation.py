"""Nodes of the data_quality pipeline."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.data_quality.config import DataQualityConfig
from dino_pipeline.dino.evaluation.features import Features

logger = logging.getLogger(__name__)


def measure_quality(
    teacher: Features,
    student: Features,
    random: Features,
    manifest: Any,
    project_folder: Path,
    model: Path,
    extract: ExtractConfig,
    config: DataQualityConfig,
) -> tuple[dict[str, Any], Any]:
    """Figures and summary, and the cleaning list as a data frame; logged to the model's run."""
    import pandas as pd

    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.data_quality.report import clean, network_figures
    from dino_pipeline.dino.evaluation.data_quality.summary import in_words, table
    from dino_pipeline.dino.weights.published import read_model

    images = Manifest.from_pandas(manifest, project_folder)
    networks = {"teacher": teacher, "student": student, "random": random}
    networks = {name: stored for name, stored in networks.items() if len(stored)}  # not all have a student
    with compute.fixed_threads(config.num_threads):
        device = compute.device()
        figures = network_figures(networks, images, model, extract, config, device=device)
        cleaning = clean(teacher, images, config, device=device)
    logger.info("features without labels\n%s", table(figures))
    logger.info("%s", in_words(cleaning.summary))

    report = {"figures": figures, "cleaning": cleaning.summary}
    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics(
        {
            f"data_quality/{network}/{split}/{name}": value
            for split, networks_of_split in figures.items()
            for network, values in networks_of_split.items()
            for name, value in values.items()
        }
    )
    run.log_json(report, "data_quality.json")
    run.log_json(to_dict(config), "data_quality_parameters.json")
    return report, cleaning.table.to_pandas(types_mapper=pd.ArrowDtype)


def draw_contact_sheet(
    cleaning_list: Any, manifest: Any, project_folder: Path, model: Path, config: DataQualityConfig
) -> Any:
    """The largest clusters of near-duplicates and the strongest outliers, as a picture."""
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.core.data.images_config import ImagesConfig
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.data_quality.plot import contact_sheet

    published = read_model(model)
    image = contact_sheet(
        cleaning_list,
        Manifest.from_pandas(manifest, project_folder),
        config.picture,
        from_dict(ImagesConfig, published.config["images"]),
    )
    with tempfile.TemporaryDirectory() as folder:
        image.save(Path(folder) / "cleaning_list.png")
        tracking.model_run(published.fingerprint).log_artifact(Path(folder) / "cleaning_list.png")
    return image
