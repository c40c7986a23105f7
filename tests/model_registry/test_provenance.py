"""What is known of first weights is told, along the chain of own models, and what is not is called unknown."""

import json
from pathlib import Path

import pytest

from dino_pipeline import tracking
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.model_registry.provenance import (
    RANDOM,
    UNKNOWN,
    origin_of_model,
    origin_of_training,
    origin_of_weights,
)


def test_official_files_are_known_by_name_and_others_not(tmp_path: Path) -> None:
    official = origin_of_weights("/w/dino_deitsmall16_pretrain.pth", tmp_path)
    assert official.licence.startswith("Apache-2.0")
    assert "dino_deitsmall16_pretrain.pth" in official.origin
    assert (
        origin_of_weights("dino_xcit_medium_24_p8_pretrain_full_checkpoint.pth", tmp_path).licence
        == official.licence
    )
    assert origin_of_weights("dino_mine_pretrain.pth", tmp_path).licence == UNKNOWN
    assert "mine.pth" in origin_of_weights("mine.pth", tmp_path).origin


def test_timm_says_whose_its_weights_are(tmp_path: Path) -> None:
    assert origin_of_weights("timm:vit_small_patch16_224.dino", tmp_path).licence.startswith("Apache-2.0")
    assert "fbaipublicfiles" in origin_of_weights("timm:vit_small_patch16_224.dino", tmp_path).origin
    assert origin_of_weights("timm:no_such_network", tmp_path).licence == UNKNOWN


@pytest.mark.usefixtures("client")
def test_a_model_of_ours_leads_back_to_what_it_started_from(project: Path) -> None:
    official = origin_of_weights("dino_resnet50_pretrain.pth", project)
    (project / "model").mkdir()
    config = {"initial_weights": "5e1f"}
    write_model(
        project / "model", PublishedModel(fingerprint="f1", data_digest="d", recipe="cats", config=config), {}
    )
    unknown = origin_of_weights("model/teacher.safetensors", project)
    assert (unknown.licence, "sha256 5e1f" in unknown.origin) == (UNKNOWN, True)
    with tracking.open_model_run("f1", name="demo", tags=official.tags):
        pass
    found = origin_of_weights("model", project)
    assert found.licence == official.licence
    assert found.origin.startswith("model f1 of recipe cats, itself from official DINO weights")

    progress = project / "progress"
    progress.mkdir()
    (progress / "spec.json").write_text(
        json.dumps({"fingerprint": "f2", "recipe": "cats", "pretrain": {"initial_weights": None}})
    )
    checkpoint = origin_of_weights("progress/last.pt", project)
    assert checkpoint == (f"model f2 of recipe cats, itself from {RANDOM.origin}", RANDOM.licence)


def test_without_a_run_the_description_says_what_it_can() -> None:
    assert origin_of_model({"initial_weights": None}, {}) == RANDOM
    imported = origin_of_model({"imported": {"source": "a.pth"}}, {})
    assert (imported.licence, imported.origin[:5]) == (UNKNOWN, "a.pth")
    known = origin_of_model(
        {"imported": {"source": "a.pth"}}, {"weights_origin": "o", "weights_licence": "l"}
    )
    assert known == ("o", "l")


def test_who_taught_a_distilled_model_is_told_with_the_licence(tmp_path: Path) -> None:
    official = "dino_resnet50_pretrain.pth"
    taught = origin_of_training(None, official, tmp_path)
    assert taught.origin.startswith("random weights, distilled from official DINO weights")
    assert taught.licence == origin_of_weights(official, tmp_path).licence
    both = origin_of_training("mine.pth", official, tmp_path)
    assert both.licence == f"{UNKNOWN}; the teacher's: {taught.licence}"
    assert origin_of_training(None, None, tmp_path) == RANDOM
    known = origin_of_model({"initial_weights": None, "teacher": {"weights": "5e1f"}}, {})
    assert "distilled from a file of sha256 5e1f" in known.origin
