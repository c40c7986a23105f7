"""The evaluate pipeline: measure features, and plot where the model looks."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.config import EvaluateConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig

SHOWN_NEIGHBORS = 20  # as in the paper

logger = logging.getLogger(__name__)


def evaluate_features(
    teacher: Features,
    student: Features,
    frozen_teacher: Features,
    random: Features,
    pixels: Features,
    histogram: Features,
    probes: dict[str, Any],
    baseline_probes: dict[str, Any],
    model: Path,
    config: EvaluateConfig,
    probe: LinearProbeConfig,
) -> dict[str, Any]:
    """Measure k-NN, linear probe, spread and rank of every kind of features. The model's run gets them as a table."""
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.measures import measure, summary
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.accuracy import add_linear_head, kept, published_accuracies

    networks = {
        "teacher": teacher,
        "student": student,
        "frozen_teacher": frozen_teacher,
        "random": random,
        "pixels": pixels,
        "histogram": histogram,
    }
    networks = {name: stored for name, stored in networks.items() if len(stored)}  # some models lack some
    published = read_model(model)
    with compute.fixed_threads(config.num_threads):
        report = measure(networks, probes | baseline_probes, config, probe, device=compute.device())
        if config.linear_head:
            add_linear_head(report, teacher, config.linear_head)
    asked = config.knn.num_neighbors
    shown = SHOWN_NEIGHBORS if SHOWN_NEIGHBORS in asked else asked[0]
    report["notes"] += published_accuracies(published) + kept(published, report, num_neighbors=shown)
    logger.info("accuracy in percent\n%s", summary(report, num_neighbors=shown))

    run = tracking.model_run(published.fingerprint)
    run.log_metrics(
        {
            f"{split}/{network}/{name}": value
            for split in ("val", "test")
            for network, values in report[split].items()
            for name, value in values.items()
        }
    )
    run.log_json(report, "metrics.json")
    run.log_json(to_dict(config), "evaluate_parameters.json")
    return report


def draw_picture(manifest: Any, project_folder: Path, model: Path, config: EvaluateConfig) -> Any:
    """Plot where the teacher looks on held-out images: attention of each head (ViT) or principal colours."""
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.weights.published import evaluation_transform, load_backbone, read_model
    from dino_pipeline.evaluations.accuracy import picture

    published = read_model(model)
    size = config.picture.image_size
    transform = evaluation_transform(published, resize=size, crop=size)
    with compute.fixed_threads(config.num_threads):
        image = picture(
            load_backbone(model),
            Manifest.from_pandas(manifest, project_folder).held_out(),
            _photograph(config.photograph.image, project_folder, transform.images),
            config,
            transform,
        )
    with tempfile.TemporaryDirectory() as folder:
        image.save(Path(folder) / "attention.png")
        tracking.model_run(published.fingerprint).log_artifact(Path(folder) / "attention.png")
    return image


def _photograph(name: str | None, project_folder: Path, images: ImagesConfig) -> Any:
    from dino_pipeline.dino.core.data.decoding import as_asked, decode_image
    from dino_pipeline.ingestion.sources.photographs import read_photograph

    if name is None:
        return None
    if name.startswith("embedded:"):
        # Photographs have colour or grey channels only; models of other channels go without.
        is_seen = images.channels in (1, 3)
        return as_asked(read_photograph(name.removeprefix("embedded:")), images) if is_seen else None
    path = project_folder / Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"evaluate.photograph.image: {path} does not exist")
    return decode_image(path.read_bytes(), images)


def create_pipeline() -> Pipeline:
    """Turn features into metrics, and held-out images into a picture."""
    return Pipeline(
        [
            Node(
                evaluate_features,
                inputs=[
                    "teacher_features",
                    "student_features",
                    "frozen_teacher_features",
                    "random_features",
                    "pixel_features",
                    "histogram_features",
                    "linear_probes",
                    "baseline_probes",
                    "model",
                    "params:evaluate",
                    "params:probe",
                ],
                outputs="metrics",
                name="evaluate",
            ),
            Node(
                draw_picture,
                inputs=["manifest", "project_folder", "model", "params:evaluate"],
                outputs="attention_picture",
                name="draw_picture",
            ),
        ]
    )
