"""A registered model of random weights, and what it should answer."""

import io
import json

import pytest
import torch
from mlflow.pyfunc.model import PythonModelContext
from PIL import Image

from dino_pipeline import tracking
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import load_backbone
from dino_pipeline.model_registry.config import RegisterConfig
from dino_pipeline.model_registry.served_files import export_backbone
from dino_pipeline.model_registry.served_model import ServedBackbone
from dino_pipeline.pipelines.register import register_model
from tests.published import extract_config, publish_backbone

RGB = ImagesConfig(channels=3, bits=8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
BACKBONE = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 24, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    "drop_path_rate": 0.1,
}
EXTRACT = extract_config(resize=28, crop=24)
MEASURED = {"knn_20": 0.75, "knn_20_top5": 1.0, "linear": 0.8, "feature_std": 0.1}
METRICS = {
    "val": {
        "teacher": MEASURED,
        "random": MEASURED | {"linear": 0.4},
        "pixels": MEASURED,
        "histogram": MEASURED,
    },
    "test": {"teacher": {}, "random": {}, "pixels": {}, "histogram": {}},
    "num_images": {"train": 80, "val": 100, "test": 0},
    "num_classes": 4,
    "skipped": {"test/knn": "test has no images"},
}
SUMMARY = {
    "name": "smoke",
    "source": "embedded:digits",
    "digest": "d1",
    "num_images": 180,
    "splits": {"train": 80, "val": 100, "test": 0},
    "classes": {"cat": 90, "dog": 90},
    "held_out_images_also_in_train": {"val": 3, "test": 0},
    "quarantined": {"truncated": 2},
}


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project with one registered model."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mlruns").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracking.configure(folder, {"recipe": "smoke"})
        register(folder, seed=0, fingerprint="abc")
        yield folder


def register(folder, *, seed, fingerprint):
    publish_backbone(
        folder / f"model_{fingerprint}", BACKBONE, seed=seed, fingerprint=fingerprint, mean=MEAN, std=STD
    )
    register_again(folder, fingerprint=fingerprint)


def register_again(folder, *, fingerprint, metrics=METRICS, extract=EXTRACT):
    """As a second `kedro run` does."""
    config = RegisterConfig(name_prefix="dino", alias="challenger")
    register_model(folder / f"model_{fingerprint}", metrics, SUMMARY, folder, "smoke", extract, config)


def encoded(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return buffer.getvalue()


def expected(project, images):
    transform = EvaluationTransformConfig(
        resize=EXTRACT.resize, crop=EXTRACT.crop, images=RGB, mean=tuple(MEAN), std=tuple(STD)
    )
    crops = torch.stack([evaluation_crop(image, transform) for image in images])
    with torch.no_grad():
        return load_backbone(project / "model_abc")(normalise(crops, MEAN, STD)).numpy()


def served(folder, images):
    """The served model of an untrained backbone, loaded as MLflow loads it, and what it should answer."""
    options = {**BACKBONE["options"], "in_chans": images.channels}
    backbone = build_backbone(BackboneConfig(**{**BACKBONE, "options": options, "drop_path_rate": 0.0}))
    export_backbone(backbone, folder / "backbone.pt2", crop=24, channels=images.channels)
    own = {"mean": [0.4] * images.channels, "std": [0.2] * images.channels}
    preprocessing = {"resize": 28, "crop": 24, "channels": images.channels, "bits": images.bits, **own}
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing))
    model = ServedBackbone()
    artifacts = {
        "backbone": str(folder / "backbone.pt2"),
        "preprocessing": str(folder / "preprocessing.json"),
    }
    model.load_context(PythonModelContext(artifacts, {}))
    transform = EvaluationTransformConfig(
        resize=28, crop=24, images=images, mean=(0.4,) * images.channels, std=(0.2,) * images.channels
    )

    def embedded(pixels):
        crops = torch.stack([evaluation_crop(image, transform) for image in pixels])
        with torch.no_grad():
            return backbone(normalise(crops, transform.mean, transform.std)).numpy()

    return model, embedded
