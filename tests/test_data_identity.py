"""Labels and held-out images belong to what is measured: they change, and `kedro run` trains nothing again."""

import hashlib
import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from dino_pipeline.ingestion.splits import number
from dino_pipeline.recipes.reading import recipe_parameters
from tests.test_fresh_clone import ROOT, run

pytestmark = [pytest.mark.full, pytest.mark.early]

FRACTION = 0.3
SEED = recipe_parameters("smoke")["ingest"]["seed"]


def add_image(file: Path, seed: int, label: str) -> str:
    """Write a reddish or bluish image; its sha256."""
    pixels = np.random.default_rng(seed).integers(0, 100, (20, 20, 3), dtype=np.uint8)
    pixels[:, :, ("blue", "green", "red").index(label)] += 100
    cv2.imwrite(str(file), pixels)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_corrected_label_and_an_image_more_in_val_are_measured_and_train_nothing(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    photos = clone / "data" / "01_raw" / "photos"
    photos.mkdir(parents=True)
    labels = {}
    for index in range(80):
        labels[f"{index}.png"] = "red" if index % 2 else "blue"
        add_image(photos / f"{index}.png", index, labels[f"{index}.png"])

    def measured() -> tuple[str, dict[str, str], float]:
        """What the command prints, the split of each image, and the teacher's k-NN accuracy on val."""
        rows = [{"path": f"photos/{name}", "label": label} for name, label in labels.items()]
        pd.DataFrame(rows).to_csv(photos.parent / "labels.csv", index=False)
        changed = "ingest.source=data/01_raw/labels.csv,pretrain.batch_size=16"
        changed += f",ingest.validation_fraction={FRACTION},ingest.test_fraction=0"
        output = run(clone, "kedro", "run", "--env=smoke", "--pipeline=evaluate", f"--params={changed}")
        manifest = pd.read_parquet(clone / "data" / "03_primary" / "smoke" / "manifest.parquet")
        names = [Path(path).name for path in manifest["path"]]
        (file,) = (clone / "data").glob("*/smoke/metrics.json")
        accuracy = json.loads(file.read_text())["val"]["teacher"]["knn_20"]
        return output, dict(zip(names, manifest["split"], strict=True)), accuracy

    output, splits, accuracy = measured()
    assert "this model is trained already" not in output
    num_val = list(splits.values()).count("val")

    name = next(name for name, split in splits.items() if split == "val")
    labels[name] = {"red": "blue", "blue": "red"}[labels[name]]
    output, unmoved, corrected = measured()
    assert "this model is trained already" in output
    assert "steps to go" not in output
    assert unmoved == splits
    assert abs(corrected - accuracy) == pytest.approx(1 / num_val)

    seeds = iter(range(100, 200))
    while number(SEED, "val", add_image(photos / "new.png", next(seeds), "red")) >= FRACTION:
        pass
    labels["new.png"] = "red"
    output, more, _ = measured()
    assert "this model is trained already" in output
    assert "steps to go" not in output
    assert more == splits | {"new.png": "val"}
