"""Masks on disk are what the scores say, and the scores are DAVIS's means."""

import csv
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.video_segmentation.scores import (
    ObjectScore,
    contour_accuracy,
    region_similarity,
    segment_and_score,
    summarise,
    write_scores,
)
from dino_pipeline.dino.evaluation.video_segmentation.videos import list_videos, palette


@pytest.fixture
def backbones():
    config = BackboneConfig(
        name="vit_tiny_patch16_224",
        options={"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 3},
        drop_path_rate=0.0,
    )
    torch.manual_seed(0)
    return {name: build_backbone(config).eval() for name in ("teacher", "random")}


def score(backbones, davis, config, folder):
    return segment_and_score(
        backbones,
        list_videos(davis, config),
        config,
        folder=folder,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        device=torch.device("cpu"),
    )


def test_scores_are_those_of_the_written_masks(davis, config, annotations, backbones, tmp_path):
    scores = score(backbones, davis, config, tmp_path / "masks")
    assert [(row.network, row.video, row.object) for row in scores] == [
        (network, *row)
        for network in ("teacher", "random")
        for row in (("two-squares", 1), ("two-squares", 2), ("one-square", 1))
    ]
    for row in scores:
        pairs = []
        for index in (1, 2, 3):  # of five: without the first and the last
            with Image.open(tmp_path / "masks" / row.network / row.video / f"{index:05d}.png") as image:
                assert image.mode == "P"
                predicted = np.array(image) == row.object
            pairs.append(
                (predicted, np.array(Image.open(annotations / row.video / f"{index:05d}.png")) == row.object)
            )
        assert row.j_mean == pytest.approx(np.mean([region_similarity(*pair) for pair in pairs]))
        assert row.f_mean == pytest.approx(np.mean([contour_accuracy(*pair) for pair in pairs]))
        assert row.j_recall == np.mean([region_similarity(*pair) > 0.5 for pair in pairs])


def test_the_first_mask_is_the_annotation(davis, config, annotations, backbones, tmp_path):
    score(
        {"teacher": backbones["teacher"]},
        davis,
        dataclasses.replace(config, max_videos=1),
        tmp_path / "masks",
    )
    written = sorted((tmp_path / "masks/teacher/two-squares").iterdir())
    assert [file.name for file in written] == [f"{index:05d}.png" for index in range(5)]
    np.testing.assert_array_equal(
        np.array(Image.open(written[0])), np.array(Image.open(annotations / "two-squares/00000.png"))
    )


def test_an_annotation_of_another_size_than_its_frame_is_refused(
    davis, config, annotations, backbones, tmp_path
):
    Image.fromarray(np.ones((10, 10), np.uint8)).save(annotations / "two-squares/00002.png")
    with pytest.raises(ValueError, match=r"00002\.png is \(10, 10\) px, and its frame \(70, 40\)"):
        score(backbones, davis, config, tmp_path / "masks")


def test_networks_are_compared_by_the_mean_over_objects_of_all_videos(tmp_path):
    scores = [
        ObjectScore("teacher", "a", 1, 0.9, 1.0, 0.1, 0.5, 1.0, 0.0),
        ObjectScore("teacher", "a", 2, 0.6, 1.0, 0.1, 0.4, 0.0, 0.0),
        ObjectScore("teacher", "b", 1, 0.3, 0.0, 0.4, 0.3, 0.0, 0.3),
    ]
    report = summarise(scores)
    assert report["networks"]["teacher"] == pytest.approx(
        {
            "j_and_f": 0.5,
            "j_mean": 0.6,
            "j_recall": 2 / 3,
            "j_decay": 0.2,
            "f_mean": 0.4,
            "f_recall": 1 / 3,
            "f_decay": 0.1,
        }
    )
    assert report["videos"]["teacher"] == pytest.approx({"a": 0.6, "b": 0.3})
    write_scores(scores, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert [row["video"] for row in rows] == ["a", "a", "b"]
    assert float(rows[2]["j_decay"]) == 0.4


def test_colours_are_pascal_vocs():
    # As printed in VOC's development kit.
    expected = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128], [0, 128, 128]]
    assert palette()[:7].tolist() == expected
    assert palette()[8].tolist() == [64, 0, 0]
    assert len(np.unique(palette(), axis=0)) == 256
