"""The report of copy detection, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.copy_detection.config import CopyDetectionConfig, OtherImagesConfig
from dino_pipeline.dino.evaluation.copy_detection.copydays import read_copydays
from dino_pipeline.dino.evaluation.copy_detection.descriptor import SqueezedImages
from dino_pipeline.dino.evaluation.copy_detection.detect import (
    average_precision_of_one,
    copy_detection_table,
    detect,
    original_ranks,
    other_images,
)
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.evaluation.ranking import score_rankings

CPU = torch.device("cpu")
VALUES = {
    "folder": "copydays",
    "image_size": 32,
    "gem_power": 4.0,
    "depth": 20,
    "whitening": {
        "images": {"folder": None, "split": "train", "num_images": 20},
        "eigenvalue_floor": 1e-5,
    },
    "distractors": {"folder": None, "split": "val", "num_images": 7},
    "picture": {"num_originals": 2, "num_copies": 3, "image_size": 24},
    "num_threads": 1,
}
CONFIG = from_dict(CopyDetectionConfig, VALUES)
VIT = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 4, "embed_dim": 8, "depth": 1, "num_heads": 2},
    drop_path_rate=0.0,
)


@pytest.fixture
def networks(transform):
    torch.manual_seed(0)
    return Networks({name: build_backbone(VIT).eval() for name in ("teacher", "random")}, transform)


def test_every_attack_is_measured_whitened_and_not(folder, manifest, networks, extract_config):
    copydays = read_copydays(folder)
    others = other_images(manifest, CONFIG, root=folder)
    report, ranks = detect(copydays, others, networks, CONFIG, extract_config, device=CPU)
    assert json.loads(json.dumps(report)) == report
    attacks = {"strong", "jpegqual", "jpegqual/5", "jpegqual/50", "crops", "crops/50"}
    for version in ("whitened", "unwhitened"):
        assert report[version].keys() == {"teacher", "random"}
        assert all(values.keys() == attacks for values in report[version].values())
    teacher = report["whitened"]["teacher"]
    assert teacher["jpegqual"] == pytest.approx((teacher["jpegqual/5"] + teacher["jpegqual/50"]) / 2)
    assert report["unwhitened"]["teacher"]["jpegqual/50"] == 1, (
        "hardly any difference is found by any network"
    )
    assert (report["num_originals"], report["num_distractors"], report["num_whitening_images"]) == (3, 7, 20)
    assert report["num_copies"] == {"strong": 3, "jpegqual/5": 3, "jpegqual/50": 3, "crops/50": 3}
    assert (report["dimensions"], report["image_size"]) == (16, 32)
    strong = torch.where(ranks["strong"] == 1, 1.0, 0.5 / ranks["strong"])
    assert teacher["strong"] == pytest.approx(strong.mean().item())
    assert copy_detection_table(report).splitlines()[0].split() == ["strong", "jpegqual", "crops"]


def test_too_few_images_to_whiten_on_are_noted(folder, manifest, networks, extract_config):
    few = replace(
        CONFIG,
        image_size=None,  # as extract's
        whitening=replace(
            CONFIG.whitening, images=OtherImagesConfig(folder=None, split="train", num_images=5)
        ),
    )
    others = other_images(manifest, few, root=folder)
    report = detect(read_copydays(folder), others, networks, few, extract_config, device=CPU).report
    assert report["image_size"] == extract_config.crop
    assert report["notes"] == ["whitening was learned on 5 images for 16 dimensions, which needs more images"]
    assert report["notes"][0] in copy_detection_table(report)


def test_other_images_come_from_a_folder_a_split_or_nowhere(folder, manifest):
    source = OtherImagesConfig(folder="jpegqual/5", split=None, num_images=2)
    none = OtherImagesConfig(folder=None, split=None, num_images=2)
    config = replace(CONFIG, whitening=replace(CONFIG.whitening, images=source), distractors=none)
    chosen = other_images(manifest, config, root=folder)
    assert chosen.whitening.table["path"].to_pylist() == ["200000.jpg", "200200.jpg"]
    assert chosen.distractors is None


def test_a_split_without_images_is_named(folder, manifest):
    rows = np.flatnonzero(np.array(manifest.table["split"].to_pylist()) == "train")
    with pytest.raises(ValueError, match=r"copy_detection\.distractors\.split: val has no images"):
        other_images(manifest.take(rows), CONFIG, root=folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"distractors": {"folder": "x", "split": "val", "num_images": 2}}, "set one to null"),
        (
            {
                "whitening": {
                    "images": {"folder": None, "split": None, "num_images": 2},
                    "eigenvalue_floor": 0.1,
                }
            },
            "give a folder or a split",
        ),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_before_anything_runs(change, problem):
    with pytest.raises(ValidationError, match=problem):
        from_dict(CopyDetectionConfig, to_dict(CONFIG) | change)


def test_images_are_squeezed_as_pillow_does(folder):
    images = read_copydays(folder).attacks["crops/50"].images
    expected = Image.open(folder / "crops/50" / "200100.jpg").resize((32, 32), Image.Resampling.BICUBIC)
    found = SqueezedImages(images, 32)[1].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - np.asarray(expected).astype(int)).max() <= 1


def test_ranks_are_places_in_the_sorted_gallery():
    random = torch.Generator().manual_seed(0)
    copies = torch.randint(-2, 3, (9, 4), generator=random).float()  # so small that many are equally similar
    gallery = torch.randint(-2, 3, (30, 4), generator=random).float()
    originals = torch.randint(0, 30, (9,), generator=random)
    order = (copies @ gallery.T).argsort(dim=1, descending=True, stable=True)
    expected = [
        row.tolist().index(original) + 1 for row, original in zip(order, originals.tolist(), strict=True)
    ]
    assert original_ranks(copies, originals, gallery).tolist() == expected


def test_the_average_precision_of_one_image_is_that_of_its_ranking():
    ranks = torch.arange(1, 31)
    relevant = torch.eye(30, dtype=torch.bool)
    expected = score_rankings(relevant, torch.zeros_like(relevant), cutoffs=[1]).average_precision
    np.testing.assert_allclose(average_precision_of_one(ranks, depth=30), expected, atol=1e-12)
    cut = average_precision_of_one(ranks, depth=20)
    np.testing.assert_allclose(cut[:20], expected[:20], atol=1e-12)
    assert not cut[20:].any()
