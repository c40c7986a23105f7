"""The nodes: masks and scores in their folder, the same picture for the same masks, values in the model's run."""

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.evaluation.video_segmentation.config import VideoSegmentationConfig
from dino_pipeline.dino.evaluation.video_segmentation.videos import palette
from dino_pipeline.evaluations.video_segmentation.evaluation import find_videos
from dino_pipeline.evaluations.video_segmentation.plot import overlay
from tests.evaluations.running import run_evaluation
from tests.published import extract_config, publish_backbone

BACKBONE = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3},
    "drop_path_rate": 0.0,
}
EXTRACT = extract_config(resize=16, crop=16)


@pytest.fixture
def config():
    return from_dict(
        VideoSegmentationConfig,
        {
            "folder": "videos",
            "image_set": "2017/val",
            "resolution": "480p",
            "max_videos": None,
            "networks": ["teacher", "random"],
            "frame_size": 32,
            "side_multiple": 16,
            "num_last_frames": 1,
            "neighborhood_radius": 2,
            "top_k": 3,
            "temperature": 0.1,
            "picture": {"num_videos": 3, "num_frames": 2},
            "num_threads": 1,
        },
    )


@pytest.fixture
def videos(project):
    """One video of three frames in the project's folder."""
    random = np.random.default_rng(0)
    for folder in ("JPEGImages/480p/square", "Annotations/480p/square", "ImageSets/2017"):
        (project / "videos" / folder).mkdir(parents=True)
    (project / "videos/ImageSets/2017/val.txt").write_text("square\n")
    for index in range(3):
        pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        labels = np.zeros((40, 50), np.uint8)
        labels[10:30, 10 + index : 30 + index] = 1
        Image.fromarray(pixels).save(project / f"videos/JPEGImages/480p/square/{index:05d}.jpg")
        Image.fromarray(labels).save(project / f"videos/Annotations/480p/square/{index:05d}.png")
    return project / "videos"


@pytest.fixture
def model(project):
    return publish_backbone(project / "model", BACKBONE)


@pytest.fixture
def manifest():
    row = {"path": "none.png", "member": None, "offset": None, "split": "train", "label": None}
    return pd.DataFrame(
        [row | {"width": 1, "height": 1, "bytes": 1, "sha256": hashlib.sha256(b"").hexdigest()}]
    )


@pytest.mark.usefixtures("videos")
def test_masks_scores_and_picture_replace_earlier_ones(project, model, manifest, config, client):
    masks = project / "video_masks"
    (masks / "teacher" / "of-an-earlier-set").mkdir(parents=True)
    pictures = []
    for _ in range(2):
        done = run_evaluation(
            "video_segmentation",
            config,
            manifest=manifest,
            project_folder=project,
            model=model,
            video_masks_folder=masks,
            extract=EXTRACT,
        )
        report, picture = done["video_segmentation"], done["video_segmentation_picture"]
        pictures.append(picture.tobytes())
    assert done["video_masks"] == masks
    assert sorted(file.relative_to(masks).as_posix() for file in masks.rglob("*") if file.is_file()) == [
        *(f"random/square/0000{index}.png" for index in range(3)),
        "scores.csv",
        *(f"teacher/square/0000{index}.png" for index in range(3)),
    ]
    assert not (masks / "teacher" / "of-an-earlier-set").exists()
    assert pictures[0] == pictures[1]
    assert picture.size == (480, 450)

    [experiment] = [item for item in client.search_experiments() if item.name != "Default"]
    [run] = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["video_segmentation/teacher/j_and_f"] == pytest.approx(
        report["networks"]["teacher"]["j_and_f"]
    )
    assert {"video_segmentation.json", "video_segmentation.png", "video_segmentation_parameters.json"} <= {
        artifact.path for artifact in client.list_artifacts(run.info.run_id)
    }


def test_videos_that_show_no_object_stop_before_anything_is_computed(project, videos, config):
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(videos / "Annotations/480p/square/00000.png")
    with pytest.raises(ValueError, match="shows no object"):
        find_videos(project, config)


def test_videos_without_a_folder_stop_before_anything_is_computed(project, config):
    with pytest.raises(ValueError, match=r"video_segmentation\.folder is null.* in the layout of DAVIS"):
        find_videos(project, replace(config, folder=None))


def test_an_object_has_its_colour_over_the_frame_and_the_background_none():
    frame = np.full((2, 2, 3), 100, np.uint8)
    shown = overlay(frame, np.array([[0, 1], [2, 0]], np.uint8))
    np.testing.assert_array_equal(shown[0, 0], frame[0, 0])
    np.testing.assert_array_equal(shown[0, 1], (0.4 * frame[0, 1] + 0.6 * palette()[1]).round())
