"""Features of whole manifests against the backbone called image by image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features, extract_features
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset, normalise

CPU = torch.device("cpu")
VIT = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 3},
    drop_path_rate=0.0,
)
CONVNET = BackboneConfig(name="resnet10t", options={}, drop_path_rate=0.0)


def built(config):
    torch.manual_seed(0)
    return build_backbone(config).eval()


def images(manifest, transform):
    dataset = EvaluationDataset(manifest, transform)
    return normalise(torch.stack([dataset[i] for i in range(len(dataset))]), transform.mean, transform.std)


def extracted(backbone, manifest, transform, config):
    functions = {"it": backbone_features(backbone, transform, config, device=CPU)}
    return extract_features(manifest, functions, transform, config, device=CPU)["it"]


def test_a_vits_embedding_is_its_cls_token_and_linear_joins_blocks_and_patches(
    manifest, transform, extract_config
):
    vit = built(VIT)
    features = extracted(vit, manifest, transform, extract_config)
    pixels = images(manifest, transform)
    with torch.no_grad():
        np.testing.assert_allclose(features.embedding, vit(pixels).numpy(), atol=1e-5)
        joined = vit.last_blocks(pixels, num_blocks=2, average_patches=True).numpy()
    np.testing.assert_allclose(features.linear, joined, atol=1e-5)
    assert features.linear.shape == (len(manifest), 24 * 3)


def test_a_convnet_has_its_pooled_feature_for_both(manifest, transform, extract_config):
    convnet = built(CONVNET)
    features = extracted(convnet, manifest, transform, extract_config)
    with torch.no_grad():
        expected = convnet(images(manifest, transform)).numpy()
    np.testing.assert_allclose(features.embedding, expected, atol=1e-4)
    assert features.linear is None
    assert features.for_linear_probe is features.embedding


def test_rows_splits_and_labels_are_the_manifests(manifest, transform, extract_config):
    part = manifest.split("val")
    features = extracted(built(VIT), part, transform, extract_config)
    assert features.row_ids.tolist() == part.row_ids.tolist() == list(range(25, 35))
    assert features.labels.tolist() == part.labels
    assert set(features.splits) == {"val"}
    assert len(features.split("test")) == 0


@pytest.mark.parametrize("num_workers", [2])
def test_workers_change_nothing(manifest, transform, extract_config, num_workers):
    alone = extracted(built(VIT), manifest, transform, extract_config)
    helped = extracted(built(VIT), manifest, transform, replace(extract_config, num_workers=num_workers))
    assert np.array_equal(alone.embedding, helped.embedding)
    assert np.array_equal(alone.linear, helped.linear)


def test_bfloat16_stays_near_fp32_and_is_stored_as_float32(manifest, transform, extract_config):
    exact = extracted(built(VIT), manifest, transform, extract_config).embedding
    rough = extracted(built(VIT), manifest, transform, replace(extract_config, precision="bf16")).embedding
    assert rough.dtype == np.float32
    cosine = (exact * rough).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rough, axis=1)
    assert 0.995 < cosine.min() < 1 - 1e-7
