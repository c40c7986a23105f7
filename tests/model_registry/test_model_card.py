"""The card says what was measured, what was not, and where the weights come from."""

import copy
from typing import Any

from dino_pipeline.dino.weights.published import PublishedModel
from dino_pipeline.model_registry.model_card import model_card
from dino_pipeline.model_registry.provenance import RANDOM, Origin
from tests.model_registry.conftest import BACKBONE, METRICS, SUMMARY


def card(
    metrics: dict[str, Any] = METRICS,
    summary: dict[str, Any] = SUMMARY,
    origin: Origin = RANDOM,
    **config: Any,
) -> str:
    images = {"channels": 3, "bits": 8}
    published = PublishedModel(
        fingerprint="f1",
        data_digest="d1",
        recipe="smoke",
        config={"backbone": BACKBONE, "images": images} | config,
    )
    return model_card(published, metrics, summary, origin, crop=24, commit="abc with edits")


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_it_shows_the_teacher_beside_the_baselines_as_measured() -> None:
    table = section(card(), "Metrics")
    head, _, *rows = table.splitlines()[1:5]
    assert head.startswith("| features of | **teacher (this model)** | baseline: random initialisation |")
    assert rows[0] == "| knn_20, validation | 75.0 % | 75.0 % | 75.0 % | 75.0 % |"
    assert rows[1] == "| linear, validation | 80.0 % | 40.0 % | 80.0 % | 80.0 % |"
    assert "| feature_std, validation | 0.1 |" in table
    assert "top5" not in table
    assert "test/knn: test has no images" in table


def test_its_limits_follow_from_the_numbers() -> None:
    limits = section(card(), "Limits")
    # sqrt(0.8 * 0.2 / 100) = 0.04
    assert "100 validation images: the linear probe's standard error is 4.0 points" in limits
    assert "Guessing among 4 classes gives 25.0 %" in limits
    assert "no better than: pixels (80.0 %), histogram (80.0 %)" in limits
    assert "3 images of validation are also in train" in limits
    assert "2 truncated" in limits
    assert "80 images" in limits


def test_without_labels_it_claims_no_accuracy() -> None:
    metrics = copy.deepcopy(METRICS)
    metrics["val"] = {name: {"effective_rank": 3.0} for name in metrics["val"]}
    text = card(metrics, SUMMARY | {"classes": {}})
    assert "No accuracy was measured" in section(text, "Limits")
    assert "%" not in section(text, "Metrics")
    assert "No labels." in section(text, "Data")


def test_origin_and_licence_of_initial_weights_and_unknown_data_are_told() -> None:
    text = card(origin=Origin("a.pth", "unknown"), imported={"source": "a.pth"})
    assert "Origin: a.pth." in section(text, "Initial weights")
    assert "Licence: unknown." in section(text, "Initial weights")
    assert "Training data: unknown" in section(text, "Data")
    assert "imported weights" in text.splitlines()[0]
    assert "It was trained on" not in text
    assert "commit abc with edits" in section(text, "Made by")
