"""The gain and its interval, against k-NN by scikit-learn's distances and a bootstrap that draws image by image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import FeatureBatch
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.model_registry.config import PromoteConfig
from dino_pipeline.model_registry.promotion.comparison import compare, comparison_images
from dino_pipeline.model_registry.promotion.exported_model import ExportedModel
from dino_pipeline.model_registry.promotion.promote import require_gain
from dino_pipeline.recipes.reading import recipe_parameters
from tests.registered import SIZE, images_of_tints

TRANSFORM = from_dict(
    EvaluationTransformConfig,
    {
        "resize": SIZE,
        "crop": SIZE,
        "images": {"channels": 3, "bits": 8},
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
    },
)
EXTRACT = from_dict(ExtractConfig, recipe_parameters("smoke")["extract"])
PROMOTE = from_dict(
    PromoteConfig, recipe_parameters("base")["promote"] | {"confidence": 0.9, "num_neighbors": 5}
)


def mean_color(images: torch.Tensor) -> FeatureBatch:
    return FeatureBatch(images.float().mean(dim=(2, 3)) / 255 - 0.5, None)


def corner(images: torch.Tensor) -> FeatureBatch:
    return FeatureBatch(images[:, :, :12, :12].float().mean(dim=(2, 3)) / 255 - 0.5, None)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return images_of_tints(tmp_path_factory.mktemp("tints"))


def naive_correct(model: ExportedModel, manifest: Manifest) -> np.ndarray:
    from dino_pipeline.dino.core.data.images import decode_rgb

    def embedded(part: Manifest) -> np.ndarray:
        pixels = np.stack([decode_rgb(part.read_bytes(i)) for i in range(len(part))]).transpose(0, 3, 1, 2)
        return model.features(torch.from_numpy(pixels)).embedding.numpy()

    bank, queries = manifest.split("train"), manifest.split("val")
    similarity = cosine_similarity(embedded(queries), embedded(bank))
    correct = []
    for row, truth in zip(similarity, queries.labels, strict=True):
        votes: dict[str | None, float] = {}
        for neighbor in np.argsort(-row)[:5]:
            label = bank.labels[neighbor]
            votes[label] = votes.get(label, 0.0) + np.exp(row[neighbor] / 0.07)
        correct.append(max(votes, key=lambda name: votes[name]) == truth)
    return np.array(correct)


def test_the_gain_and_its_interval_are_those_of_naive_formulas(manifest: Manifest) -> None:
    before, after = ExportedModel(corner, TRANSFORM), ExportedModel(mean_color, TRANSFORM)
    found = compare(before, after, comparison_images(manifest, None), PROMOTE, EXTRACT)
    one, other = (naive_correct(model, manifest).astype(int) for model in (before, after))
    assert (found.before, found.after) == (one.mean(), other.mean())
    assert found.gain == pytest.approx(other.mean() - one.mean())
    assert 0 < found.gain < 1
    rng = np.random.default_rng(5)
    draws = [rng.integers(0, len(one), len(one)) for _ in range(5000)]
    gains = [other[draw].mean() - one[draw].mean() for draw in draws]
    assert found.interval == pytest.approx(np.quantile(gains, [0.05, 0.95]), abs=0.03)
    assert found.validation_digest == manifest.split("val").digest()


def test_a_gain_must_be_large_enough_and_more_than_chance(manifest: Manifest) -> None:
    found = compare(
        ExportedModel(corner, TRANSFORM),
        ExportedModel(mean_color, TRANSFORM),
        comparison_images(manifest, None),
        PROMOTE,
        EXTRACT,
    )
    require_gain(found, replace(PROMOTE, minimum_gain=0.0))
    with pytest.raises(ValueError, match=r"at least \+100 points"):
        require_gain(found, replace(PROMOTE, minimum_gain=1.0))
    with pytest.raises(ValueError, match="interval above 0"):
        require_gain(replace(found, interval=(0.0, 0.2)), PROMOTE)


def test_validation_images_that_the_champion_learned_are_left_out(manifest: Manifest) -> None:
    rows = manifest.table.to_pandas()
    all_learned = Manifest.from_pandas(rows.assign(split="train"), Path())
    with pytest.raises(ValueError, match="trained on every validation image"):
        comparison_images(manifest, all_learned)
    assert len(comparison_images(manifest, manifest).queries) == len(manifest.split("val"))
    with pytest.raises(ValueError, match="no validation images"):
        comparison_images(manifest.split("train"), None)
