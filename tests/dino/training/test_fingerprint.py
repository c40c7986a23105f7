"""What makes another training, and what does not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dino_pipeline.dino.training import fingerprint as module
from dino_pipeline.dino.training.fingerprint import fingerprint, source_digest
from tests.dino.conftest import MakeSpec


def test_parameters_and_data_count(make_spec: MakeSpec, tmp_path: Path) -> None:
    config = make_spec(tmp_path).pretrain
    assert fingerprint(config, "data") == fingerprint(replace(config, seed=3), "data")
    assert fingerprint(config, "data") != fingerprint(replace(config, seed=4), "data")
    assert fingerprint(config, "data") != fingerprint(config, "other data")


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("core/losses/dino_loss.py", True),
        ("core/data/crop.py", True),
        ("core/step.py", True),
        ("core/distributed.py", True),
        ("metrics/knn.py", False),
        ("evaluation/linear_probe.py", False),
    ],
)
def test_the_source_that_decides_weights_counts_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, counts: bool
) -> None:
    copy = shutil.copytree(module._LIBRARY, tmp_path / "dino")
    monkeypatch.setattr(module, "_LIBRARY", copy)
    before = source_digest()
    with (copy / file).open("a") as opened:
        opened.write("# another line\n")
    assert (source_digest() != before) is counts
