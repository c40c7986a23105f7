"""Retrieval and copy detection as pipelines run them: numbers and a picture come back, and lie in the model's run."""

from dataclasses import replace

import pyarrow as pa
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import SCHEMA
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.copy_detection.config import CopyDetectionConfig, OtherImagesConfig
from dino_pipeline.dino.evaluation.retrieval.config import RetrievalConfig
from dino_pipeline.evaluations.copy_detection.evaluation import find_copies
from dino_pipeline.recipes.reading import recipe_parameters
from tests.evaluations.running import run_evaluation
from tests.published import publish_backbone

PARAMETERS = recipe_parameters("smoke")
EXTRACT = from_dict(ExtractConfig, PARAMETERS["extract"])
BACKBONE = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2},
    "drop_path_rate": 0.0,
}


@pytest.fixture
def manifest(project):
    """Twelve crops of two photographs as a data frame: eight train, four test."""
    rows = []
    for index in range(12):
        label = "china" if index % 2 else "flower"
        path = project / f"{index}.png"
        pixels = load_sample_image(f"{label}.jpg")[:80, 20 * index : 20 * index + 60]
        Image.fromarray(pixels).save(path)
        split = "train" if index < 8 else "test"
        rows.append({"path": path.name, "split": split, "label": label, "bytes": path.stat().st_size})
    return pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()


@pytest.fixture
def model(project):
    return publish_backbone(project / "model", BACKBONE, mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.3])


def the_run(client):
    (experiment,) = [e for e in client.search_experiments() if e.name == "dino_pipeline"]
    (run,) = client.search_runs([experiment.experiment_id])
    return run.data.metrics, {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


def test_retrieval(manifest, project, model, client):
    config = from_dict(RetrievalConfig, PARAMETERS["retrieval"])
    values = {"manifest": manifest, "project_folder": project, "model": model, "extract": EXTRACT}
    done = run_evaluation("retrieval", config, **values)
    report, picture = done["retrieval_metrics"], done["retrieval_picture"]
    assert report["labelled"].keys() == {"teacher", "student", "random"}
    assert picture.size == (140 * 9, 160 * 4), "four queries with eight neighbours"
    metrics, files = the_run(client)
    teacher = report["labelled"]["teacher"]
    assert metrics["retrieval/teacher/mean_average_precision"] == teacher["mean_average_precision"]
    assert {"retrieval.json", "retrieval.png", "retrieval_parameters.json"} <= files
    again = run_evaluation("retrieval", config, **values)
    assert again["retrieval_metrics"] == report
    assert again["retrieval_picture"].tobytes() == picture.tobytes()


def test_copy_detection(manifest, project, model, client):
    for folder in ("original", "strong"):
        (project / "copydays" / folder).mkdir(parents=True)
    for index in range(3):
        image = Image.open(project / f"{index}.png")
        image.save(project / "copydays" / "original" / f"200{index}00.jpg")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
            project / "copydays" / "strong" / f"200{index}01.jpg"
        )
    config = from_dict(CopyDetectionConfig, PARAMETERS["copy_detection"] | {"folder": "copydays"})
    distractors = OtherImagesConfig(folder=None, split="test", num_images=4)
    config = replace(config, distractors=distractors)
    done = run_evaluation(
        "copy_detection", config, manifest=manifest, project_folder=project, model=model, extract=EXTRACT
    )
    report, picture = done["copy_detection_metrics"], done["copy_detection_picture"]
    assert report["whitened"]["teacher"] == report["whitened"]["student"], "their weights are equal here"
    assert picture.size == (140 * 2, 160 * 3), "three originals with a copy each"
    metrics, files = the_run(client)
    strong = report["unwhitened"]["random"]["strong"]
    assert metrics["copy_detection/unwhitened/random/strong"] == strong
    assert {"copy_detection.json", "copy_detection.png", "copy_detection_parameters.json"} <= files


def test_copies_that_nobody_named_stop_before_anything_is_computed(project):
    config = from_dict(CopyDetectionConfig, PARAMETERS["copy_detection"])
    with pytest.raises(
        ValueError, match=r"copy_detection\.folder is null: .*--params=copy_detection\.folder="
    ):
        find_copies(project, config)
