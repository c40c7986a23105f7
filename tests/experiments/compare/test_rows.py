"""Overlays become trainings; what no training has is refused with its row's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.experiments.compare.rows import OverlayTraining, read_comparison, trainings

MakeComparison = Callable[..., CompareConfig]


@pytest.fixture
def build(parameters: dict[str, dict[str, Any]]) -> Callable[[CompareConfig], list[OverlayTraining]]:
    def make(config: CompareConfig) -> list[OverlayTraining]:
        return trainings(
            config,
            from_dict(PretrainConfig, parameters["pretrain"]),
            from_dict(MonitoringConfig, parameters["monitoring"]),
            from_dict(LaunchConfig, parameters["launch"]),
        )

    return make


def test_every_overlay_is_trained_with_every_seed_the_first_seed_first(
    comparing: MakeComparison, build: Callable[[CompareConfig], list[OverlayTraining]]
) -> None:
    crops = {"pretrain.multi_crop.num_local_crops": 0, "launch.compile": True}
    made = build(comparing(overlays={"plain": {}, "two crops": crops}, seeds=[4, 5]))
    assert [(one.row, one.pretrain.seed) for one in made] == [
        ("plain", 4),
        ("two crops", 4),
        ("plain", 5),
        ("two crops", 5),
    ]
    assert [one.pretrain.multi_crop.num_local_crops for one in made[:2]] == [2, 0]
    assert [one.launch.compile for one in made[:2]] == [False, True]


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"pretrain.epoks": 3}, r"row 'bad': pretrain\.epoks: Unexpected keyword"),
        ({"pretrain.epochs": "ten"}, r"row 'bad': pretrain\.epochs: Input should be a valid integer"),
        ({"pretrain.loss": 3}, r"row 'bad': pretrain\.loss: "),
        (
            {"extract.crop": 8},
            r"row 'bad': extract\.crop does not belong to a training: begin with one of pretrain",
        ),
        (
            {"pretrain.epochs": 3, "pretrain.epochs.more": 3},
            r"row 'bad': pretrain\.epochs\.more cannot be set",
        ),
    ],
)
def test_a_wrong_name_or_value_says_in_which_row(
    comparing: MakeComparison,
    build: Callable[[CompareConfig], list[OverlayTraining]],
    overlay: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        build(comparing(overlays={"good": {}, "bad": overlay}))


def test_a_file_lies_above_the_parameters(comparing: MakeComparison, tmp_path: Path) -> None:
    (tmp_path / "rows.yml").write_text("seeds: [7]\noverlays: {other: {pretrain.epochs: 2}}\n")
    found = read_comparison(comparing(file="rows.yml", overlays={"plain": {}}), tmp_path)
    assert found.seeds == (7,)
    assert list(found.overlays) == ["plain", "other"]


@pytest.mark.parametrize(
    ("changes", "text", "message"),
    [
        ({"file": "no.yml"}, "", r"compare\.file: .*no\.yml does not exist"),
        ({"file": "rows.yml"}, "seds: [7]", r"rows\.yml: seds: Unexpected keyword"),
        ({"file": "rows.yml"}, "[a", r"rows\.yml, line 1: a bracket \[ is not closed"),
        ({"file": "rows.yml"}, "- a", r"rows\.yml, line 1: a list where names and values are meant"),
        ({}, "", "nothing to compare"),
        ({"overlays": {"a": {}}, "runs": {"a": "x"}}, "", "two rows have the name 'a'"),
        ({"overlays": {"raw pixels": {}}}, "", "two rows have the name 'raw pixels'"),
        (
            {"overlays": {"a": {}}, "expected": [["a", "b"]]},
            "",
            r"compare\.expected: there is no row 'b', only a",
        ),
        (
            {"overlays": {"a": {}}, "published": {"b": {"knn": 1.0}}},
            "",
            r"compare\.published: there is no row 'b'",
        ),
        ({"overlays": {"a": {}}, "reference": "b"}, "", r"compare\.reference: there is no row 'b'"),
        (
            {"overlays": {"a": {"pretrain.seed": 1}}},
            "",
            r"row 'a': pretrain\.seed is set by compare\.seeds",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    comparing: MakeComparison, tmp_path: Path, changes: dict[str, Any], text: str, message: str
) -> None:
    (tmp_path / "rows.yml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_comparison(comparing(**changes), tmp_path)
