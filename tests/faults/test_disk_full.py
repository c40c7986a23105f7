"""A disk that fills up while a checkpoint is written ends the training cleanly, with its last checkpoint intact."""

import shutil
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.training.kept_checkpoints import load_newest
from dino_pipeline.dino.training.run import pretrain
from tests.dino.conftest import MakeSpec

CPU = torch.device("cpu")


class StopAfter:
    """Stops after a number of steps, as a signal would."""

    def __init__(self, steps: float) -> None:
        self.steps = steps

    def agreed(self) -> bool:
        self.steps -= 1
        return self.steps <= 0


def test_a_full_disk_stops_the_training_which_goes_on_when_there_is_room(
    make_spec: MakeSpec, tmp_path: Path, small_disk: Path
) -> None:
    changes = {"pretrain": {"precision": "fp32"}, "monitoring": {"checkpoint_every_steps": 3}}
    undisturbed, spec = make_spec(tmp_path / "undisturbed", **changes), make_spec(small_disk, **changes)
    assert pretrain(undisturbed, CPU, StopAfter(float("inf")))
    assert not pretrain(spec, CPU, StopAfter(4))
    ballast = small_disk / "ballast"
    room = 20_480  # for a line of history, not for a checkpoint
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
    with pytest.raises(
        OSError, match=r"the previous one is intact\. Solve this, then the same command continues"
    ):
        pretrain(spec, CPU, StopAfter(float("inf")))
    newest = load_newest(small_disk, CPU)
    assert newest is not None
    assert newest["state"]["step"] == 4
    assert not list(small_disk.glob(".partial-*")), "what could not be written does not fill the disk"

    ballast.unlink()
    assert pretrain(spec, CPU, StopAfter(float("inf")))
    for name in ("teacher.safetensors", "student.safetensors", "history.csv"):
        whole, resumed = (Path(run.folder) / "finished" / name for run in (undisturbed, spec))
        assert whole.read_bytes() == resumed.read_bytes(), name
