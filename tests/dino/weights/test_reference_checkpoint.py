"""Importing a training checkpoint of the published code."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from dino_pipeline.dino.weights.reference_checkpoint import (
    ReferenceCheckpoint,
    load_data_only,
    reference_checkpoint,
)


def read_reference_checkpoint(path: Path) -> ReferenceCheckpoint:
    return reference_checkpoint(load_data_only(path), path)


@pytest.mark.golden
def test_imported_weights_are_the_end_of_the_references_trajectory(golden: Path) -> None:
    numbers = np.load(golden / "trajectory_norm_last_layer.npz")
    checkpoint = read_reference_checkpoint(golden / "reference_checkpoint.pth")
    for name, weights in (("student", checkpoint.student), ("teacher", checkpoint.teacher)):
        expected = {
            k.removeprefix(f"final_{name}/"): numbers[k]
            for k in numbers.files
            if k.startswith(f"final_{name}/")
        }
        plain = {k.replace("backbone.model.", "backbone."): v for k, v in weights.items()}
        for ours, theirs in (("original0", "weight_g"), ("original1", "weight_v")):
            plain[f"head.last_layer.{theirs}"] = plain.pop(f"head.last_layer.parametrizations.weight.{ours}")
        assert set(plain) == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(plain[key], value, atol=1e-6, err_msg=key)
    np.testing.assert_allclose(checkpoint.center, numbers["final_center"], atol=1e-6)


class Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_pickled_code_is_refused_and_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    torch.save({"student": {}, "args": Payload(f"touch {witness}")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth is refused: it contains objects or code"):
        read_reference_checkpoint(tmp_path / "evil.pth")
    assert not witness.exists()


def test_another_kind_of_file_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    torch.save({"student": {}, "args": argparse.Namespace(lr=1.0)}, tmp_path / "half.pth")
    with pytest.raises(ValueError, match=r"lacks dino_loss, epoch, teacher"):
        read_reference_checkpoint(tmp_path / "half.pth")
