"""The evaluation from stored features to a report, a table, a picture and the model's run."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import SCHEMA
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.evaluations.failure_cards.config import FailureCardsConfig
from dino_pipeline.recipes.reading import recipe_parameters
from tests.evaluations.running import run_evaluation

CONFIG = from_dict(
    FailureCardsConfig, recipe_parameters("base")["failure_cards"] | {"num_neighbors": 3, "num_threads": 1}
)
LABELS = ["ape"] * 4 + ["bee"] * 4 + ["ape", "ape", "bee", "bee"]
# The third and the fourth held-out image lie among the apes.
DIRECTIONS = [0.0, 0.1, 0.2, 0.3, 2.0, 2.1, 2.2, 2.3, 0.05, 0.15, 0.25, 0.3]


@pytest.fixture
def manifest(project):
    rows = []
    for index, label in enumerate(LABELS):
        path = project / f"{index}.png"
        Image.new("RGB", (12, 12), (20 * index, 100, 50)).save(path)
        split = "train" if index < 8 else "val"
        rows.append({"path": path.name, "split": split, "label": label, "bytes": path.stat().st_size})
    return pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()


@pytest.fixture
def model(project):
    (project / "model").mkdir()
    description = PublishedModel(fingerprint="abc", data_digest="d", recipe="smoke", config={})
    write_model(project / "model", description, {"teacher": {}, "student": {}})
    return project / "model"


def features(labels: list[str | None]) -> Features:
    angles = np.array(DIRECTIONS)
    return Features(
        row_ids=np.arange(12),
        splits=np.array(["train"] * 8 + ["val"] * 4),
        labels=np.array(labels, dtype=np.object_),
        embedding=np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
        linear=None,
    )


def run(manifest, project, model, labels=LABELS):
    return run_evaluation(
        "failure_cards",
        CONFIG,
        manifest=manifest,
        project_folder=project,
        model=model,
        teacher_features=features(labels),
    )


def test_report_table_picture_and_run_agree(manifest, project, model, client):
    done = run(manifest, project, model)
    report, table, picture = (done[f"failure_cards{end}"] for end in ("_report", "", "_picture"))
    assert json.loads(json.dumps(report)) == report
    assert (report["num_images"], report["num_wrong"], report["accuracy"]) == (4, 2, 0.5)
    assert {name: of["accuracy"] for name, of in report["classes"].items()} == {"ape": 1.0, "bee": 0.0}
    assert report["confusions"] == [{"label": "bee", "predicted": "ape", "num_images": 2, "share": 1.0}]
    assert report["groups"] == {}
    assert report["skipped"] == {"groups": "the manifest has no groups"}
    assert table["image"].tolist() == ["10.png", "11.png"]
    assert table["neighbor_1"].isin(["2.png", "3.png"]).all()
    assert table["neighbor_1_label"].tolist() == ["ape", "ape"]
    assert picture.size == (140 * 6, 160 * 2), "two cards with five neighbours"
    assert run(manifest, project, model)["failure_cards_picture"].tobytes() == picture.tobytes()

    (experiment,) = [e for e in client.search_experiments() if e.name == "dino_pipeline"]
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.metrics == {
        "failure_cards/accuracy": 0.5,
        "failure_cards/worst_class_accuracy": 0.0,
        "failure_cards/mean_class_accuracy": 0.5,
    }
    assert {artifact.path for artifact in client.list_artifacts(logged.info.run_id)} >= {
        f"failure_cards{end}" for end in (".json", "_parameters.json", ".png", ".csv")
    }


def test_groups_of_the_manifest_have_their_own_accuracies(manifest, project, model):
    manifest["group"] = pd.Series([None] * 8 + ["lab 1", "lab 1", "lab 1", None], dtype="object")
    done = run(manifest, project, model)
    groups = {name: of["accuracy"] for name, of in done["failure_cards_report"]["groups"].items()}
    assert groups == {"lab 1": 2 / 3, "none": 0.0}
    assert done["failure_cards"]["group"].tolist()[0] == "lab 1"


def test_without_labels_there_is_a_reason_in_place_of_cards(manifest, project, model):
    done = run(manifest, project, model, [*LABELS[:8], None, None, None, None])
    assert done["failure_cards_report"] == {
        "split": "val",
        "skipped": {"results": "4 of the 4 images of val have no label"},
    }
    assert len(done["failure_cards"]) == 0
    assert done["failure_cards_picture"].size == (600, 150)


def test_where_nothing_is_wrong_there_are_no_cards(manifest, project, model):
    done = run(manifest, project, model, [*LABELS[:8], "ape", "ape", "ape", "ape"])
    assert done["failure_cards_report"]["num_wrong"] == 0
    assert len(done["failure_cards"]) == 0


def test_features_of_another_manifest_are_refused(manifest, project, model):
    with pytest.raises(ValueError, match="features belong to another manifest"):
        run(manifest.iloc[:11], project, model)
