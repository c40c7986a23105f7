"""The registered version serves the teacher's embeddings where this package is not."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from torch import nn

from dino_pipeline import tracking
from dino_pipeline.dino.data.decoding import decode_image
from dino_pipeline.dino.data.evaluation_transform import evaluation_crop, normalise
from dino_pipeline.dino.data.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.data.images import decode_rgb
from dino_pipeline.dino.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.config import BaselinesConfig, ExtractConfig
from dino_pipeline.dino.models.backbone import build_backbone
from dino_pipeline.dino.models.backbone_config import BackboneConfig
from dino_pipeline.dino.models.published import PublishedModel, load_backbone, write_model
from dino_pipeline.pipelines.register.config import RegisterConfig
from dino_pipeline.pipelines.register.nodes import register_model

RGB = ImagesConfig(channels=3, bits=8)
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
BACKBONE = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 24, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    "drop_path_rate": 0.1,
}
EXTRACT = ExtractConfig(
    resize=28,
    crop=24,
    num_last_blocks=1,
    average_patches=False,
    precision="fp32",
    batch_size=8,
    num_workers=0,
    cpu_processes=1,
    num_threads=1,
    baselines=BaselinesConfig(random_seed=0, batch_norm_images=8, pixels_size=32, histogram_bins=8),
)
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

# Run by an interpreter that finds MLflow and torch and, by a module finder, neither this package nor timm.
LOADER = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dino_pipeline", "timm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import mlflow.pyfunc, numpy as np, pandas as pd
inputs = np.load(sys.argv[2], allow_pickle=True)
model = mlflow.pyfunc.load_model(sys.argv[1])
outputs = {
    "pixels": model.predict(inputs["pixels"]),
    "files": model.predict(pd.DataFrame({"image": list(inputs["files"])})),
    "base64": model.predict(pd.DataFrame({"image": list(inputs["base64"])})),
    "array_of_files": model.predict(inputs["files"]),
}
np.savez(sys.argv[3], **outputs)
"""


@pytest.fixture(scope="module")
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
    model = folder / f"model_{fingerprint}"
    model.mkdir()
    torch.manual_seed(seed)
    network = nn.ModuleDict(
        {"backbone": build_backbone(BackboneConfig(**{**BACKBONE, "drop_path_rate": 0.0}))}
    )
    config = {"backbone": BACKBONE, "images": {"channels": 3, "bits": 8}, "mean": MEAN, "std": STD}
    description = PublishedModel(fingerprint=fingerprint, data_digest="d1", recipe="smoke", config=config)
    write_model(model, description, {"teacher": network.state_dict(), "student": network.state_dict()})
    register_model(model, METRICS, SUMMARY, EXTRACT, RegisterConfig(name_prefix="dino", alias="challenger"))


def client(project):
    return MlflowClient(tracking_uri=f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")


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


def test_it_loads_and_embeds_without_this_package_as_the_backbone_does(project, tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (5, 40, 31, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(pixels[0]).resize((50, 33), Image.Resampling.BICUBIC))
    rgba = np.dstack([smooth, random.integers(0, 256, smooth.shape[:2], dtype=np.uint8)])
    rotated = Image.Exif()
    rotated[0x0112] = 6
    files = [
        encoded(smooth, format="PNG"),
        encoded(smooth, format="JPEG", quality=90),
        encoded(smooth[:, :, 0], format="PNG"),
        encoded(rgba, format="PNG"),
        encoded(smooth, format="JPEG", exif=rotated.tobytes()),
    ]
    np.savez(
        tmp_path / "inputs.npz",
        pixels=pixels,
        files=np.array(files, dtype=object),
        base64=np.array([base64.b64encode(file).decode() for file in files], dtype=object),
    )
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlruns' / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            LOADER,
            "models:/dino-smoke@challenger",
            tmp_path / "inputs.npz",
            tmp_path / "out.npz",
        ],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(outputs["pixels"], expected(project, pixels), atol=1e-4)
    from_files = expected(project, [decode_rgb(file) for file in files])
    for name in ("files", "base64", "array_of_files"):
        np.testing.assert_allclose(outputs[name], from_files, atol=1e-4)
        assert outputs[name].dtype == np.float32


def test_the_version_says_where_it_comes_from(project):
    version = client(project).get_model_version_by_alias("dino-smoke", "challenger")
    tags = version.tags
    assert tags["fingerprint"] == "abc"
    assert tags["data_digest"] == "d1"
    assert tags["recipe"] == "smoke"
    assert tags["val/knn_20"] == "0.7500"
    assert (tags["data_set"], tags["git_commit"]) == ("smoke", "unknown")  # the project is no repository
    assert version.description.startswith("# vit_tiny_patch16_224, pretrained without labels by DINO")
    assert "| linear, validation | 80.0 % | 40.0 % | 80.0 % | 80.0 % |" in version.description
    assert "val/knn_20_top5" not in tags
    run = client(project).get_run(version.run_id)
    logged = client(project).get_logged_model(version.source.removeprefix("models:/"))
    assert logged.experiment_id == run.info.experiment_id
    assert str(project / "mlruns") in logged.artifact_location
    assert run.data.tags["fingerprint"] == "abc"


def test_requirements_signature_and_example_are_written_down(project):
    from mlflow.artifacts import download_artifacts

    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    folder = Path(download_artifacts("models:/dino-smoke/1", tracking_uri=uri, registry_uri=uri))
    requirements = (folder / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in requirements} == {"mlflow", "numpy", "pandas", "pillow", "torch"}
    assert not any("+" in line for line in requirements)
    description = (folder / "MLmodel").read_text()
    assert "signature:" in description
    assert "saved_input_example_info:" in description
    assert json.loads((folder / "artifacts" / "preprocessing.json").read_text())["crop"] == 24


def test_another_model_becomes_the_next_version_and_takes_the_alias(project):
    register(project, seed=1, fingerprint="def")
    newest = client(project).get_model_version_by_alias("dino-smoke", "challenger")
    assert int(newest.version) == 2
    assert newest.tags["fingerprint"] == "def"
    assert client(project).get_registered_model("dino-smoke").aliases.keys() == {"challenger"}


DEEP_GREY, FIVE = ImagesConfig(channels=1, bits=16), ImagesConfig(channels=5, bits=8)


def served(folder, images):
    """The served model of an untrained backbone, loaded as MLflow loads it, and what it should answer."""
    from mlflow.pyfunc.model import PythonModelContext

    from dino_pipeline.dino.evaluation.export import export_backbone
    from dino_pipeline.pipelines.register.served_model import ServedBackbone

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


def test_files_and_pixels_of_16_bit_grey_are_served_at_their_depth(tmp_path):
    model, embedded = served(tmp_path, DEEP_GREY)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 65536, (3, 40, 31, 1)).astype(np.uint16)
    np.testing.assert_allclose(model.predict(None, pixels), embedded(pixels), atol=1e-4)
    color = random.integers(0, 256, (40, 31, 3), dtype=np.uint8)
    files = [encoded(image[:, :, 0], format="PNG") for image in pixels]
    files += [encoded(color, format="PNG"), encoded(color[:, :, 0], format="PNG")]
    read = [decode_image(file, DEEP_GREY) for file in files]
    np.testing.assert_allclose(model.predict(None, np.array(files, dtype=object)), embedded(read), atol=1e-4)


def test_pixels_of_five_channels_are_served_and_their_files_refused_in_words(tmp_path):
    model, embedded = served(tmp_path, FIVE)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 31, 5), dtype=np.uint8)
    np.testing.assert_allclose(model.predict(None, pixels), embedded(pixels), atol=1e-4)
    with pytest.raises(ValueError, match="5 channels of 8 bits, whose files it does not read: send pixels"):
        model.predict(None, np.array([b"II*"], dtype=object))
    with pytest.raises(ValueError, match=r"uint8 \[height, width, 5\]"):
        model.predict(None, pixels[..., :3])
