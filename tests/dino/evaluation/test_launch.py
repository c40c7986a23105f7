"""Extraction under torchrun."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.launch import extract

NAMES = ("teacher", "student", "random", "pixels", "histogram")


def test_two_processes_extract_what_one_does(manifest, extract_config, model_folder: Path) -> None:
    one = extract(manifest, model_folder, extract_config)
    two = extract(manifest, model_folder, replace(extract_config, cpu_processes=2))
    assert set(one) == set(two) == set(NAMES)
    for name in NAMES:
        for column in ("row_ids", "splits", "labels"):
            assert np.array_equal(getattr(one[name], column), getattr(two[name], column)), (name, column)
        np.testing.assert_allclose(two[name].embedding, one[name].embedding, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(
            two[name].for_linear_probe, one[name].for_linear_probe, atol=1e-5, err_msg=name
        )


def test_only_what_is_asked_for_is_extracted(manifest, extract_config, model_folder: Path) -> None:
    everything = extract(manifest, model_folder, extract_config)
    for processes in (1, 2):
        config = replace(extract_config, cpu_processes=processes)
        asked = extract(manifest, model_folder, config, only=("teacher", "pixels"))
        assert set(asked) == {"teacher", "pixels"}
        for name, features in asked.items():
            np.testing.assert_allclose(
                features.embedding, everything[name].embedding, atol=1e-5, err_msg=name
            )


def test_weights_without_a_student_have_no_features_of_one(
    manifest, extract_config, model_folder: Path, tmp_path: Path
) -> None:
    for name in ("model.json", "teacher.safetensors"):
        shutil.copy(model_folder / name, tmp_path / name)
    assert set(extract(manifest, tmp_path, extract_config)) == set(NAMES) - {"student"}


def test_the_teacher_of_a_distillation_is_extracted_beside_its_student(
    manifest, extract_config, model_folder: Path, tmp_path: Path
) -> None:
    for name in ("teacher.safetensors", "student.safetensors"):
        shutil.copy(model_folder / name, tmp_path / name)
    description = json.loads((model_folder / "model.json").read_text())
    larger = description["config"]["backbone"] | {"name": "resnet10t", "options": {}}
    description["config"]["teacher"] = {"backbone": larger}
    (tmp_path / "model.json").write_text(json.dumps(description))
    teacher = build_backbone(BackboneConfig(**larger))
    save_file(
        {f"backbone.{name}": value for name, value in teacher.state_dict().items()},
        tmp_path / "frozen_teacher.safetensors",
    )
    found = extract(manifest, tmp_path, extract_config)
    assert set(found) == {*NAMES, "frozen_teacher"}
    assert found["frozen_teacher"].embedding.shape[1] == 512
