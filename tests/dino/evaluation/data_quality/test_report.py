"""Figures of a real model: views are those of training, and all networks are measured on the same images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.stats import entropy

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.data.multi_crop import multi_crop
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.data_quality.config import DataQualityConfig
from dino_pipeline.dino.evaluation.data_quality.figures import sample, view_pair_features
from dino_pipeline.dino.evaluation.data_quality.report import clean, cluster_balance, network_figures
from dino_pipeline.dino.evaluation.model_features import model_features
from dino_pipeline.dino.evaluation.networks import load_networks
from dino_pipeline.dino.weights.published import PublishedModel, write_model

CONF = Path(__file__).parents[4] / "conf" / "base"
CPU = torch.device("cpu")
BACKBONE = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    drop_path_rate=0.0,
)


def values(group):
    return yaml.safe_load((CONF / f"parameters_{group}.yml").read_text())[group]


@pytest.fixture(scope="module")
def views_config():
    config = from_dict(MultiCropConfig, values("pretrain")["multi_crop"])
    return replace(config, global_crop_size=16, local_crop_size=8)


@pytest.fixture(scope="module")
def config():
    base = from_dict(DataQualityConfig, values("data_quality"))
    return replace(base, figures=replace(base.figures, alpha_ranks=(2, 8), alignment_images=6), num_threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory, views_config):
    torch.manual_seed(0)
    networks = {
        name: {f"backbone.{key}": value for key, value in build_backbone(BACKBONE).state_dict().items()}
        for name in ("teacher", "student")
    }
    training = {
        "images": {"channels": 3, "bits": 8},
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "backbone": to_dict(BACKBONE),
        "multi_crop": to_dict(views_config),
    }
    folder = tmp_path_factory.mktemp("model")
    write_model(
        folder, PublishedModel(fingerprint="f", data_digest="d", recipe="r", config=training), networks
    )
    return folder


@pytest.fixture(scope="module")
def features(manifest, model, extract_config):
    return model_features(manifest, model, extract_config, device=CPU)


def test_views_are_the_global_crops_of_training(manifest, model, extract_config, views_config):
    images = manifest.split("val")
    networks = load_networks(model, manifest, extract_config, device=CPU)
    found = view_pair_features(images, networks, views_config, extract_config, seed=5, device=CPU)
    for position in (0, 9):
        image = decode_rgb(images.read_bytes(position))
        views = multi_crop(image, views_config, seed=5, epoch=0, place=int(images.places[position]))
        pixels = torch.from_numpy(views.global_crops).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            expected = networks.backbones["teacher"]((pixels - 0.5) / 0.25)
        for view in (0, 1):
            torch.testing.assert_close(found["teacher"][view][position], expected[view], rtol=1e-4, atol=1e-5)


def test_every_network_has_every_figure_on_train_and_val_and_none_on_test(
    manifest, model, features, extract_config, config
):
    networks = {name: features[name] for name in ("teacher", "student", "random")}
    report = network_figures(networks, manifest, model, extract_config, config, device=CPU)
    assert list(report) == ["train", "val"]
    for split in report.values():
        assert {name: set(figures) for name, figures in split.items()} == {
            name: {"rankme", "alpha_req", "uniformity", "alignment"} for name in networks
        }
    assert report == network_figures(networks, manifest, model, extract_config, config, device=CPU)


def test_the_cleaning_list_goes_by_the_centered_features(manifest, features, config):
    teacher = features["teacher"]
    cleaning = clean(teacher, manifest, config, device=CPU)
    centered = teacher.embedding.astype(np.float64) - teacher.embedding.mean(axis=0, dtype=np.float64)
    unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    cosines = unit @ unit.T - 2 * np.eye(len(unit))
    listed = [row for row in cleaning.table.to_pylist() if row["kind"] == "near_duplicate"]
    assert {row["row_id"] for row in listed} == set(np.flatnonzero(cosines.max(axis=1) >= 0.95))
    for row in listed:
        assert row["score"] == pytest.approx(cosines[row["row_id"]].max(), abs=1e-5)
    balance = cleaning.summary["cluster_balance"]
    assert balance["num_clusters"] <= len(manifest)
    json.dumps(cleaning.summary)


def test_a_sample_is_seeded_sorted_and_without_repeats():
    assert sample(5, 9, seed=0).tolist() == [0, 1, 2, 3, 4]
    chosen = sample(100, 20, seed=3)
    assert len(set(chosen)) == 20
    assert (
        chosen.tolist()
        == sorted(chosen)
        == sample(100, 20, seed=3).tolist()
        != sample(100, 20, seed=4).tolist()
    )


def test_sizes_are_told_by_shares_and_entropy():
    assignments = torch.tensor([0] * 6 + [1] * 3 + [2])
    assert cluster_balance(assignments) == {
        "num_clusters": 3,
        "smallest_share": pytest.approx(0.1),
        "largest_share": pytest.approx(0.6),
        "relative_entropy": pytest.approx(entropy([6, 3, 1]) / np.log(3)),
    }


def test_equal_sizes_have_relative_entropy_one_and_a_single_cluster_none():
    assert cluster_balance(torch.arange(4).repeat(5))["relative_entropy"] == pytest.approx(1)
    assert cluster_balance(torch.zeros(5, dtype=torch.int64))["relative_entropy"] == 0
