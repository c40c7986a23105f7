"""The registered version serves the teacher's embeddings where this package is not."""

import base64
import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from PIL import Image

from dino_pipeline.dino.core.data.images import decode_rgb

from .conftest import EXTRACT, METRICS, encoded, expected, register, register_again

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


def client(project):
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    return MlflowClient(uri, uri)


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


def versions_of(project):
    """Numbers of the versions that are there, and which bears the alias."""
    found = client(project).search_model_versions("name = 'dino-smoke'")
    aliases = client(project).get_registered_model("dino-smoke").aliases
    return sorted(int(version.version) for version in found), int(aliases["challenger"])


def test_a_model_registered_again_is_the_same_version_and_takes_the_alias(project, caplog):
    caplog.set_level(logging.INFO)
    register(project, seed=2, fingerprint="ghi")
    numbers, first = versions_of(project)
    register(project, seed=3, fingerprint="jkl")
    assert versions_of(project) == ([*numbers, first + 1], first + 1)
    register_again(project, fingerprint="ghi")
    assert versions_of(project) == ([*numbers, first + 1], first)
    assert f"dino-smoke version {first} is this model already; it is challenger" in caplog.text


def test_other_measurements_or_another_crop_are_another_version(project):
    register(project, seed=4, fingerprint="mno")
    numbers, newest = versions_of(project)
    teacher = METRICS["val"]["teacher"] | {"knn_20": 0.8}
    register_again(
        project, fingerprint="mno", metrics=METRICS | {"val": METRICS["val"] | {"teacher": teacher}}
    )
    register_again(project, fingerprint="mno", extract=replace(EXTRACT, resize=24))
    assert versions_of(project) == ([*numbers, newest + 1, newest + 2], newest + 2)


def test_a_version_that_was_deleted_is_made_again(project):
    register(project, seed=5, fingerprint="pqr")
    numbers, newest = versions_of(project)
    client(project).delete_registered_model_alias("dino-smoke", "challenger")
    client(project).delete_model_version("dino-smoke", str(newest))
    register_again(project, fingerprint="pqr")
    kept, made = versions_of(project)
    assert kept == [*numbers[:-1], made]
