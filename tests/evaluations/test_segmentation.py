"""Both evaluations on masks, from a published model to a report, a picture and the model's run."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dino_pipeline.dino.core.data.manifest import SCHEMA
from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.dino.evaluation.config import KnnConfig
from dino_pipeline.dino.evaluation.linear_probe.config import LinearTrainingConfig
from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig
from dino_pipeline.pipeline_registry import register_pipelines
from tests.evaluations.running import run_evaluation
from tests.published import extract_config, publish_backbone

VIT = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3},
    "drop_path_rate": 0.0,
}
NO_TRAIN_IMAGES = pd.DataFrame(columns=SCHEMA.names)  # only an untrained batch norm would look at them
EXTRACT = extract_config(resize=16, crop=16)
ATTENTION = AttentionSegmentationConfig(
    folder="voc", split="val", masks="SegmentationClass", image_size=32, mass=0.6, num_shown=2, num_threads=1
)
PATCHES = PatchSegmentationConfig(
    folder="voc",
    labelled_split="val",
    evaluated_split="val",
    num_labelled_images=3,
    validation_fraction=0.3,
    patches_per_image=None,
    image_size=32,
    seed=0,
    knn=KnnConfig(num_neighbors=(3,), temperature=0.07),
    linear=LinearTrainingConfig(learning_rates=(0.1,), epochs=2, batch_size=8, momentum=0.9, seed=0),
    num_shown=2,
    num_threads=1,
)


@pytest.fixture
def masked(project):
    """The project with seven masked images in `voc`."""
    generator = np.random.default_rng(0)
    root = project / "voc"
    for kind in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / kind).mkdir(parents=True)
    for index in range(7):
        Image.fromarray(generator.integers(0, 256, (36, 52, 3), dtype=np.uint8)).save(
            root / "JPEGImages" / f"{index}.jpg"
        )
        mask = generator.choice([0, 5, 255], (36, 52)).astype(np.uint8)
        Image.fromarray(mask).save(root / "SegmentationClass" / f"{index}.png")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(map(str, range(7))))
    return project


def test_report_picture_and_run_agree(masked, client):
    model = publish_backbone(masked / "model", VIT, seed=1)
    values = {"manifest": NO_TRAIN_IMAGES, "project_folder": masked, "model": model, "extract": EXTRACT}
    done = run_evaluation("attention_segmentation", ATTENTION, **values)
    report, picture = done["attention_segmentation"], done["attention_segmentation_picture"]
    assert json.loads(json.dumps(report)) == report
    assert list(report["networks"]) == ["teacher", "student", "random"]
    assert report["networks"]["teacher"] == report["networks"]["student"] != report["networks"]["random"]
    assert picture.size == (960, 360)

    done = run_evaluation("patch_segmentation", PATCHES, **values)
    segmented, segmented_picture = done["patch_segmentation"], done["patch_segmentation_picture"]
    assert json.loads(json.dumps(segmented)) == segmented
    assert (segmented["num_labelled_images"], segmented["num_evaluated_images"]) == (3, 4)
    assert segmented_picture.size == (960, 360)

    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    logged = run.data.metrics
    assert logged["attention_segmentation/random/jaccard"] == report["networks"]["random"]["jaccard"]
    assert (
        logged["patch_segmentation/teacher/knn_3/miou"] == segmented["networks"]["teacher"]["knn_3"]["miou"]
    )
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    for name in ("attention_segmentation", "patch_segmentation"):
        assert {f"{name}.json", f"{name}_parameters.json", f"{name}.png"} <= artifacts


def test_a_convnet_has_patches_and_no_attention(masked):
    model = publish_backbone(
        masked / "model", {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0}, seed=1
    )
    train = pd.DataFrame(
        [{"path": f"voc/JPEGImages/{index}.jpg", "split": "train"} for index in range(7)],
        columns=SCHEMA.names,
    )
    train["bytes"] = [(masked / path).stat().st_size for path in train["path"]]
    config = replace(PATCHES, image_size=64)
    values = {"manifest": train, "project_folder": masked, "model": model, "extract": EXTRACT}
    report = run_evaluation("patch_segmentation", config, **values)["patch_segmentation"]
    assert 0 < report["networks"]["teacher"]["linear"]["miou"] < 1
    with pytest.raises(ValueError, match="resnet10t has no such attention"):
        run_evaluation("attention_segmentation", ATTENTION, **values)


@pytest.mark.parametrize("name", ["attention_segmentation", "patch_segmentation"])
def test_a_missing_folder_stops_a_run_before_a_training(name):
    order = [node.name for node in register_pipelines()[name].nodes]
    assert order.index(f"check_{name}") < order.index("pretrain")
