"""Masks on disk are what the scores say, and the scores are DAVIS's means."""

import csv
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.morphology import dilation, disk

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.video_segmentation.scores import (
    ObjectScore,
    boundary,
    contour_accuracy,
    region_similarity,
    segment_and_score,
    statistics,
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
    with pytest.raises(ValueError, match=r"00002\.png has \(10, 10\) px, but its frame has \(70, 40\)"):
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


EMPTY = np.zeros((20, 30), bool)


def square(top, left, side, shape=(20, 30)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def naive_boundary(mask):
    """The positions that differ from a neighbour that exists to the right, below or at the lower right."""
    height, width = mask.shape
    return {
        (row, column)
        for row, column in itertools.product(range(height), range(width))
        for down, right in ((0, 1), (1, 0), (1, 1))
        if row + down < height
        and column + right < width
        and mask[row, column] != mask[row + down, column + right]
    }


def naive_contour_accuracy(predicted, annotated):
    ours, theirs = naive_boundary(predicted), naive_boundary(annotated)
    if not ours or not theirs:
        return 1.0 if ours == theirs else 0.0
    radius = math.ceil(0.008 * math.hypot(*predicted.shape))

    def matched(some, others):
        return sum(any(math.dist(a, b) <= radius for b in others) for a in some) / len(some)

    precision, recall = matched(ours, theirs), matched(theirs, ours)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_region_similarity_is_intersection_over_union():
    assert region_similarity(square(0, 0, 4), square(2, 0, 4)) == 8 / 24
    assert region_similarity(square(0, 0, 4), EMPTY) == 0
    assert region_similarity(EMPTY, EMPTY) == 1


def test_contours_of_equal_masks_agree_and_of_distant_ones_do_not():
    assert contour_accuracy(square(5, 5, 6), square(5, 5, 6)) == 1
    assert contour_accuracy(square(1, 1, 4), square(12, 20, 4)) == 0
    assert contour_accuracy(EMPTY, EMPTY) == 1
    assert contour_accuracy(square(1, 1, 4), EMPTY) == contour_accuracy(EMPTY, square(1, 1, 4)) == 0


def test_a_contour_one_pixel_off_is_right_and_two_are_half_wrong():
    # The diagonal of 20 x 30 px is 36 px, so contours may be one pixel apart.
    assert contour_accuracy(square(5, 5, 6), square(5, 6, 6)) == 1
    # Moved by two: of two upright sides neither has a partner within a pixel, of the level ones most do.
    assert 0.4 < contour_accuracy(square(5, 5, 6), square(5, 7, 6)) < 0.8


@pytest.mark.parametrize("seed", range(6))
def test_contour_accuracy_is_that_of_a_naive_loop(seed):
    random = np.random.default_rng(seed)
    shape = (17, 23) if seed % 2 else (120, 130)  # tolerances of 1 and 2 px
    predicted, annotated = np.zeros(shape, bool), np.zeros(shape, bool)
    for mask in (predicted, annotated):
        for top, left in random.integers(0, min(shape) - 3, (3, 2)):
            mask |= square(top, left, int(random.integers(2, 12)), shape)  # some touch the border
    assert contour_accuracy(predicted, annotated) == pytest.approx(
        naive_contour_accuracy(predicted, annotated), abs=1e-12
    )


def test_contour_accuracy_at_480p_matches_by_a_disk_of_8_pixels():
    random = np.random.default_rng(0)
    predicted, annotated = (random.random((480, 854)) < 0.5 for _ in range(2))
    predicted[:, 300:] = annotated[:, 400:] = False
    ours, theirs = boundary(predicted), boundary(annotated)
    near = [dilation(contour, disk(8)) for contour in (ours, theirs)]
    precision, recall = (ours & near[1]).sum() / ours.sum(), (theirs & near[0]).sum() / theirs.sum()
    assert contour_accuracy(predicted, annotated) == pytest.approx(
        2 * precision * recall / (precision + recall), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_boundary_is_that_of_a_naive_loop(seed):
    mask = np.random.default_rng(seed).random((9, 12)) < 0.5
    assert set(zip(*(index.tolist() for index in boundary(mask).nonzero()), strict=True)) == naive_boundary(
        mask
    )


def test_statistics_worked_by_hand():
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    # Edges of the quarters are frames 1, 3, 5, 7, 9, each counted on both sides.
    assert statistics(values) == pytest.approx((0.5, 4 / 9, (0.9 + 0.8 + 0.7) / 3 - (0.3 + 0.2 + 0.1) / 3))
    assert statistics(np.array([0.6])) == (0.6, 1.0, 0.0)
