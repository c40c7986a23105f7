"""Each check passes on a healthy machine, fails where it must in one line that says what to do, and stops no other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.doctor import device_checks, examination, machine_checks, training_checks
from dino_pipeline.dino.doctor.device_checks import CheckFailedError, NotApplicableError
from dino_pipeline.dino.doctor.examination import NAMES, UNDER_TORCHRUN, CheckResult, examine
from dino_pipeline.dino.doctor.worker import CHECKS
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.recipes.reading import recipe_parameters
from tests.dino.conftest import MakeSpec

CPU = torch.device("cpu")


@pytest.fixture
def config(make_spec: MakeSpec, tmp_path: Path) -> PretrainConfig:
    return make_spec(tmp_path).pretrain


def only(check: str, folder: Path, **groups: Any) -> CheckResult:
    (result,) = examine(recipe_parameters("smoke", groups), folder=folder, checks=[check])
    return result


def test_every_check_has_its_worker_and_its_remedy() -> None:
    assert set(CHECKS) == set(UNDER_TORCHRUN)
    assert ("versions", "space", *UNDER_TORCHRUN) == NAMES


def test_a_failing_check_says_what_to_do_and_the_next_one_runs(tmp_path: Path) -> None:
    space, versions = examine({}, folder=tmp_path / "absent", checks=["space", "versions"])
    assert (space.status, versions.status) == ("failed", "passed")
    assert "absent" in space.found
    assert "--folder" in space.next
    assert torch.__version__.partition("+")[0] in versions.found
    assert all("\n" not in text for text in (space.found, space.next, versions.found))


def test_space_fails_on_a_disk_that_refuses_a_file() -> None:
    assert only("space", Path("/proc")).status == "failed"


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_space_fails_where_there_is_too_little(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert only("space", tmp_path).status == "passed"
    monkeypatch.setitem(machine_checks._LEAST, kind, 1e6)
    result = only("space", tmp_path)
    assert result.status == "failed"
    assert f"of {kind} are free; a training needs 1e+06" in result.found


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees the GPU")
def test_versions_fail_where_a_driver_is_loaded_and_torch_sees_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded = tmp_path / "version"
    loaded.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    )
    monkeypatch.setattr(machine_checks, "_DRIVER", loaded)
    result = only("versions", tmp_path)
    assert result.status == "failed"
    assert "550.54.15" in result.found
    assert "pytorch.org" in result.next


def test_sums_that_are_wrong_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotApplicableError):
        device_checks.collectives(CPU)
    monkeypatch.setattr(device_checks, "world_size", lambda: 2)
    with pytest.raises(CheckFailedError, match="all_reduce"):  # one process's sum
        device_checks.collectives(CPU)
    monkeypatch.setattr(device_checks, "all_reduce_sum", lambda x: x * 3)
    with pytest.raises(CheckFailedError, match="all_gather"):
        device_checks.collectives(CPU)


def step_on(change: Any) -> Any:
    """A training step whose crops were changed where the precision is bfloat16."""
    real = device_checks.training_step

    def step(state: Any, config: PretrainConfig, global_crops: Tensor, *more: Any) -> Any:
        return real(
            state, config, change(global_crops) if config.precision == "bf16" else global_crops, *more
        )

    return step


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda x: x * torch.nan, "not finite"), (lambda x: x.roll(1, 1) * 9, "loss in bfloat16")],
)
def test_a_broken_step_in_bfloat16_is_noticed(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch, change: Any, words: str
) -> None:
    monkeypatch.setattr(device_checks, "multiplies_bfloat16", lambda _: True)
    assert "differs from float32's by" in device_checks.bf16(config, CPU).text
    monkeypatch.setattr(device_checks, "training_step", step_on(change))
    monkeypatch.setattr(device_checks, "_NEAR_BFLOAT16", 1e-4)
    with pytest.raises(CheckFailedError, match=words):
        device_checks.bf16(config, CPU)


def test_without_instructions_for_bfloat16_float32_is_advised(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_checks, "multiplies_bfloat16", lambda _: False)
    with pytest.raises(NotApplicableError, match=r"pretrain\.precision to fp32"):
        device_checks.bf16(config, CPU)


def test_a_compiler_that_is_wrong_or_absent_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def wrong(network: nn.Module) -> None:
        for parameter in network.parameters():
            parameter.data.mul_(1.1)

    def absent(_: nn.Module) -> None:
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.")

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(nn.Module, "compile", wrong)
    with pytest.raises(CheckFailedError, match="outputs of the compiled network differ"):
        device_checks.compiled(tmp_path, CPU)
    monkeypatch.setattr(nn.Module, "compile", absent)
    with pytest.raises(NotApplicableError, match=r"g\+\+"):
        device_checks.compiled(tmp_path, CPU)


@pytest.fixture
def small(make_spec: MakeSpec, tmp_path: Path) -> TrainingSpec:
    spec = make_spec(tmp_path / "check")
    return replace(spec, folder=str(tmp_path / "check"))


def test_a_resume_that_trains_something_else_is_noticed(
    small: TrainingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training_checks.pretrain

    def other_seed(spec: TrainingSpec, device: torch.device, stop: Any) -> bool:
        if spec.folder.endswith("killed"):
            Path(small.folder, "killed.mark").touch()  # as if it had been
            spec = replace(spec, pretrain=replace(spec.pretrain, seed=spec.pretrain.seed + 1))
        return real(spec, device, stop)

    monkeypatch.setattr(training_checks, "pretrain", other_seed)
    with pytest.raises(CheckFailedError, match="tensors of the teacher differ from those of an undisturbed"):
        training_checks.resume(small, CPU)


def test_a_training_that_was_not_killed_proves_nothing(
    small: TrainingSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_checks, "_KILLED_AFTER", 100)
    with pytest.raises(CheckFailedError, match="ended before it was killed"):
        training_checks.resume(small, CPU)


@pytest.mark.full
def test_a_check_that_hangs_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check = UNDER_TORCHRUN["collectives"]._replace(limit_seconds=1.0)
    monkeypatch.setitem(examination.UNDER_TORCHRUN, "collectives", check)
    result = only("collectives", tmp_path)
    assert result.status == "failed"
    assert result.found == "TimeoutError: it did not end within 1 s"
    assert "NCCL_DEBUG" in result.next


@pytest.mark.full
def test_a_check_for_which_too_little_time_is_left_has_not_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examination, "LIMIT_SECONDS", 2.0)
    result = only("collectives", tmp_path)
    assert result.status == "not applicable"
    assert "--only collectives" in result.found


def test_no_check_begins_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(examination, "LIMIT_SECONDS", 0.0)
    result = only("collectives", tmp_path)
    assert (result.status, result.seconds) == ("not applicable", 0.0)
    assert "--only collectives" in result.found


@pytest.mark.full
def test_a_workers_error_is_the_result_in_one_line(tmp_path: Path) -> None:
    result = only("resume", tmp_path, pretrain={"backbone": {"name": "no_such_network"}})
    assert result.status == "failed"
    assert result.found.startswith("ValueError: backbone.name: timm has no model 'no_such_network'")
    assert "\n" not in result.found
    assert "whole log" not in result.found
    assert "no_such_network" in result.log
