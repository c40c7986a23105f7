"""A project in git with two registered models, one that knows the classes of its images and one that knows nothing."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from torch import nn

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.model_registry.config import RegisterConfig
from dino_pipeline.pipelines.register import register_model
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.tracking.runs import FINGERPRINT_TAG
from dino_pipeline.tracking.store import global_address
from tests.model_registry.conftest import METRICS, SUMMARY

ROOT = Path(__file__).parents[1]
SIZE, CLASSES = 24, 4
BACKBONE = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": SIZE, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3},
    "drop_path_rate": 0.0,
}
CONFIG = {
    "backbone": BACKBONE,
    "images": {"channels": 3, "bits": 8},
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
}
# Of the mean colour, which noise of 60 levels hides from raw pixels.
TINTS = 9 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]])


@dataclass(frozen=True)
class RegisteredProject:
    """A project, its store, and the versions from which others are made at no cost."""

    folder: Path
    client: MlflowClient
    manifest: Manifest

    def add_run(self, fingerprint: str, manifest: Manifest, *, recipe: str = "smoke") -> str:
        """The run of a model, as `pretrain` leaves it."""
        file = self.folder / "data" / "06_models" / ".in_progress" / fingerprint / "manifest.parquet"
        file.parent.mkdir(parents=True)
        write_manifest(manifest, file)
        with tracking.open_model_run(
            fingerprint,
            name=f"{recipe}-{fingerprint[:6]}",
            tags={"data_digest": manifest.digest(), "recipe": recipe},
        ) as run:
            run.log_json({"epochs": 3, "loss": {"center_momentum": 0.9}}, "configuration.json")
            run.log_artifact(file, "data")
        return run.run_id

    def add_model(self, name: str, *kinds: str) -> None:
        """A registered model `name` whose versions are the models `good` or `poor`, in this order."""
        self.client.create_registered_model(name)
        for kind in kinds:
            original = self.client.get_model_version(f"dino-{kind}", "1")
            self._copy(original, name, original.run_id, original.tags)

    def add_version(self, name: str, *, like: str, fingerprint: str, manifest: Manifest) -> None:
        """One more version of `name`: the weights of `like`, trained on other data."""
        original = self.client.get_model_version(f"dino-{like}", "1")
        tags = {"data_digest": manifest.digest(), FINGERPRINT_TAG: fingerprint}
        self._copy(original, name, self.add_run(fingerprint, manifest), {**original.tags, **tags})

    def _copy(self, original: ModelVersion, name: str, run_id: str, tags: dict[str, str]) -> None:
        # MLflow looks a source up at the process's address, which may be another test's.
        with global_address(self.client.tracking_uri):
            self.client.create_model_version(name, source=original.source, run_id=run_id, tags=tags)

    def champion(self, name: str) -> int | None:
        """The version that bears the alias."""
        alias = self.client.get_registered_model(name).aliases.get("champion")
        return None if alias is None else int(alias)


def make_project(folder: Path, database: Path) -> RegisteredProject:
    """Build all of it: the slow part is to register two models."""
    for layer in ("base", "smoke"):
        shutil.copytree(ROOT / "conf" / layer, folder / "conf" / layer)
    (folder / "conf" / "local").mkdir()
    (folder / ".gitignore").write_text("/data/\n/mlruns/\n/conf/local/\n")
    (folder / "mlruns").mkdir()
    shutil.copy(database, folder / "mlruns" / "mlflow.db")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=recipes")

    store = tracking.configure(folder)
    made = RegisteredProject(folder, MlflowClient(store.uri, store.uri), images_of_tints(folder))
    extract = from_dict(ExtractConfig, recipe_parameters("smoke")["extract"] | {"resize": SIZE, "crop": SIZE})
    for kind, backbone in (("good", mean_color()), ("poor", _constant())):
        fingerprint = hashlib.sha256(kind.encode()).hexdigest()
        made.add_run(fingerprint, made.manifest)
        model = folder / "data" / "06_models" / kind
        model.mkdir(parents=True)
        description = PublishedModel(
            fingerprint=fingerprint, data_digest=made.manifest.digest(), recipe="smoke", config=CONFIG
        )
        write_model(model, description, {"teacher": nn.ModuleDict({"backbone": backbone}).state_dict()})
        _register(folder, model, extract, name=f"dino-{kind}")
    return made


def _register(folder: Path, model: Path, extract: ExtractConfig, *, name: str) -> None:
    """Under a name of its own: the data set's is the same."""
    config = RegisterConfig(name_prefix=name, alias="challenger")
    register_model(model, METRICS, SUMMARY, folder, "smoke", extract, config)
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db", f"sqlite:///{folder}/mlruns/mlflow.db")
    client.rename_registered_model(f"{name}-smoke", name)


def git(folder: Path, *command: str) -> str:
    """Run git as somebody."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def relabelled(manifest: Manifest, labels: Sequence[str | None]) -> Manifest:
    """The same images with other labels: another data version."""
    return Manifest.from_pandas(manifest.table.to_pandas().assign(label=labels), manifest.root)


def images_of_tints(folder: Path, num_images: int = 120) -> Manifest:
    """Noise with a tint for each of four classes; 60 train, 40 val, the others test."""
    raw = folder / "data" / "01_raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for index in range(num_images):
        noise = rng.normal(128, 60, (SIZE, SIZE, 3))
        pixels = (noise + TINTS[index % CLASSES]).clip(0, 255).round().astype(np.uint8)
        file = raw / f"{index}.png"
        cv2.imwrite(str(file), pixels[:, :, ::-1])
        content = file.read_bytes()
        rows.append(
            {
                "path": str(file.relative_to(folder)),
                "member": None,
                "offset": None,
                "split": "train" if index < 60 else "val" if index < 100 else "test",
                "label": f"class {index % CLASSES}",
                "width": SIZE,
                "height": SIZE,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    return Manifest.from_pandas(pd.DataFrame(rows), folder)


@torch.no_grad()
def mean_color() -> Backbone:
    """A ViT whose [CLS] is the image's mean colour: patches are averaged, then all tokens by even attention."""
    backbone = _constant()
    model: Any = backbone.model
    for channel in range(3):
        model.patch_embed.proj.weight[channel, channel] = 1 / 64
    model.blocks[0].attn.qkv.weight[48:] = torch.eye(24)
    model.blocks[0].attn.proj.weight.copy_(torch.eye(24))
    return backbone


@torch.no_grad()
def _constant() -> Backbone:
    """A ViT that says the same of every image."""
    torch.manual_seed(0)
    backbone = build_backbone(BackboneConfig(**BACKBONE))  # type: ignore[arg-type]
    for name, value in backbone.named_parameters():
        if "norm" not in name:
            value.zero_()
    return backbone
