"""Trainings that could not run are refused before anything starts."""

from pathlib import Path

import pytest

from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.training import validation as checks
from dino_pipeline.dino.training.validation import check
from tests.dino.conftest import PRETRAIN, MakeSpec


@pytest.mark.parametrize(
    ("changes", "num_processes", "message"),
    [
        ({"batch_size": 64}, 1, r"pretrain\.batch_size is 64.*only 44 training images: set it to 44 or less"),
        ({"batch_size": 9}, 2, r"pretrain\.batch_size is 9.*multiple of 2"),
        ({"accumulation_steps": 3}, 2, r"accumulation_steps is 3.*process has 4 images.*divisor of 4"),
        ({"batch_size": 1}, 1, r"projection_head\.batch_norm is true.*batch_size is 1: set batch_size to 2"),
        (
            {"multi_crop": PRETRAIN["multi_crop"] | {"local_crop_size": 13}},
            1,
            r"local_crop_size is 13, which is not a multiple of the ViT's patch of 8: set it to 16",
        ),
        (
            {"backbone": {"name": "resnet99", "options": {}, "drop_path_rate": 0.0}},
            1,
            "timm has no model 'resnet99'",
        ),
    ],
)
def test_each_names_parameter_value_and_remedy(
    make_spec: MakeSpec, tiny_manifest: Path, tmp_path: Path, changes: dict, num_processes: int, message: str
) -> None:
    spec = make_spec(tmp_path, pretrain=changes)
    manifest = read_manifest(tiny_manifest, tiny_manifest.parent)
    with pytest.raises(ValueError, match=message):
        check(spec.pretrain, spec.monitoring, spec.launch, manifest, num_processes=num_processes)


@pytest.mark.parametrize("has_instructions", [True, False])
def test_bfloat16_is_warned_of_where_it_would_be_emulated(
    make_spec: MakeSpec,
    tiny_manifest: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    has_instructions: bool,
) -> None:
    monkeypatch.setattr(checks, "multiplies_bfloat16", lambda _: has_instructions)
    spec = make_spec(tmp_path, pretrain={"precision": "bf16"})
    manifest = read_manifest(tiny_manifest, tiny_manifest.parent)
    check(spec.pretrain, spec.monitoring, spec.launch, manifest, num_processes=1)
    assert ("precision is bf16" in caplog.text) is not has_instructions


def test_checkpointing_that_would_change_the_drop_paths_is_refused(
    make_spec: MakeSpec, tiny_manifest: Path, tmp_path: Path
) -> None:
    backbone = {"name": "resnet10t", "options": {}, "drop_path_rate": 0.1}
    spec = make_spec(tmp_path, pretrain={"backbone": backbone}, launch={"gradient_checkpointing": True})
    with pytest.raises(ValueError, match=r"gradient_checkpointing.*drop_path_rate to 0"):
        check(
            spec.pretrain,
            spec.monitoring,
            spec.launch,
            read_manifest(tiny_manifest, tiny_manifest.parent),
            num_processes=1,
        )


def test_a_training_that_can_run_passes(make_spec: MakeSpec, tiny_manifest: Path, tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    check(
        spec.pretrain,
        spec.monitoring,
        spec.launch,
        read_manifest(tiny_manifest, tiny_manifest.parent),
        num_processes=2,
    )
