"""Every method trains the same with one process and two, and goes on after a stop as if there had been none."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from dino_pipeline.dino.config import from_dict
from dino_pipeline.dino.data.manifest import read_manifest
from dino_pipeline.dino.models.batch_norm import running_means
from dino_pipeline.dino.training.checks import check
from dino_pipeline.dino.training.config import PretrainConfig
from dino_pipeline.dino.training.history import numbers, read_rows
from dino_pipeline.dino.training.scheduled import scheduled_values
from dino_pipeline.dino.training.state import TrainingState
from dino_pipeline.dino.training.step import training_step

from .conftest import PRETRAIN, MakeSpec
from .test_pretraining import checkpoint, model, train, train_with_processes

CPU = torch.device("cpu")
NO_PROTOTYPES = {"num_prototypes": None, "activation": "relu"}
COPY = {"name": "copy", "batch_statistics": True}
# Groups that are laid over the tiny training's.
METHODS: dict[str, dict[str, dict[str, object]]] = {
    "byol": {
        "loss": {"name": "mse", "centering": "none"},
        "projection_head": NO_PROTOTYPES,
        "predictor": {"num_layers": 2},
    },
    "moco_v2": {
        "loss": {"name": "info_nce", "queue_length": 24},
        "projection_head": NO_PROTOTYPES,
        "teacher": {"name": "momentum", "batch_statistics": False},
    },
    "swav": {"loss": {"centering": "sinkhorn_knopp", "queue_length": 24}, "teacher": COPY},
    "simclr": {
        "loss": {"name": "info_nce"},
        "projection_head": NO_PROTOTYPES,
        "teacher": {"name": "none"},
    },
    "barlow_twins": {
        "loss": {"name": "barlow_twins"},
        # The last bias has no gradient but rounding, which AdamW would bring up to the size of a step.
        "optimizer": {"name": "sgd"},
        "projection_head": NO_PROTOTYPES,
        "teacher": {"name": "none"},
    },
    "mse_mean_teacher": {"loss": {"name": "mse"}},
    "supervised": {
        "loss": {"name": "labels"},
        "projection_head": {"num_prototypes": None, "num_layers": 1, "bottleneck_dim": 4},
        "teacher": {"name": "none"},
    },
    "koleo": {"loss": {"koleo_weight": 0.1}},
    "softmax over the batch": {"loss": {"centering": "softmax_over_batch"}},
    "snapshot average": {"teacher": {"name": "snapshot_average", "batch_statistics": False}},
    "previous epoch": {"teacher": {"name": "previous_epoch"}},
    "previous step": {"teacher": {"name": "previous_step"}},
    "fixed random": {"teacher": {"name": "fixed_random"}},
}


def parameters(method: str, **more: object) -> dict[str, object]:
    groups = {name: PRETRAIN[name] | group for name, group in METHODS[method].items()}  # type: ignore[operator]
    return groups | more


def start(method: str) -> tuple[PretrainConfig, TrainingState]:
    config = from_dict(PretrainConfig, PRETRAIN | parameters(method))
    return config, TrainingState(config, CPU)


def take_step(config: PretrainConfig, state: TrainingState, *, step: int, steps_per_epoch: int = 5) -> None:
    random = torch.Generator().manual_seed(step)
    global_crops = torch.randn(2, 8, 3, 16, 16, dtype=torch.float64, generator=random)
    local_crops = torch.randn(2, 8, 3, 8, 8, dtype=torch.float64, generator=random)
    now = scheduled_values(config, step, 20, steps_per_epoch=steps_per_epoch)
    training_step(state, config, global_crops, local_crops, now, torch.arange(8) % 4)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_is_an_undisturbed_one_bit_for_bit(
    method: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes = {"pretrain": parameters(method, precision="fp32"), "monitoring": {"num_trial_steps": 0}}
    assert train(make_spec(tmp_path / "whole", **changes))
    interrupted = make_spec(tmp_path / "interrupted", **changes)
    assert not train(interrupted, stop_after=7)
    assert train(interrupted)
    for name in ("teacher.safetensors", "student.safetensors", "history.csv"):
        whole, resumed = (tmp_path / run / "finished" / name for run in ("whole", "interrupted"))
        assert whole.read_bytes() == resumed.read_bytes(), name
    rows = [numbers(row) for row in read_rows(tmp_path / "whole" / "history.csv")]
    names_distributions = "name" not in METHODS[method].get("loss", {})
    assert all(("teacher_entropy" in row) == names_distributions for row in rows)


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_what_one_does(method: str, make_spec: MakeSpec, tmp_path: Path) -> None:
    changes = {"pretrain": parameters(method, epochs=1), "monitoring": {"num_trial_steps": 0}}
    assert train(make_spec(tmp_path / "one", **changes))
    train_with_processes(make_spec(tmp_path / "two", **changes), 2)
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    assert set(one) == set(two)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-8, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_a_copy_is_the_student_of_now_and_the_previous_steps_the_one_before() -> None:
    for method, lag in (("swav", 0), ("previous step", 1)):
        config, state = start(method)
        students = [weights(state.student)]
        for step in range(3):
            take_step(config, state, step=step)
            students.append(weights(state.student))
            assert equal(weights(state.teacher), students[-1 - lag]), method


def test_the_previous_epochs_teacher_changes_at_the_epochs_end_only() -> None:
    config, state = start("previous epoch")
    taught_by = []
    for step in range(4):
        take_step(config, state, step=step, steps_per_epoch=2)
        taught_by.append(weights(state.teacher))
    assert equal(taught_by[1], taught_by[2])
    assert not equal(taught_by[0], taught_by[1])
    assert equal(taught_by[3], weights(state.student))


def test_the_average_of_snapshots_is_the_mean_of_the_last_epochs_ends() -> None:
    config, state = start("snapshot average")
    followed = dict(state.teacher.named_parameters()) | running_means(state.teacher)
    begun = {name: value.clone() for name, value in followed.items()}
    kept: list[dict[str, torch.Tensor]] = []
    for step in range(8):
        take_step(config, state, step=step, steps_per_epoch=2)
        students = dict(state.student.named_parameters()) | running_means(state.student)
        if step % 2:
            kept.append({name: value.detach().clone() for name, value in students.items()})
        for name, value in followed.items():
            last = [taken[name] for taken in kept[-2:]]
            expected = sum(last, torch.zeros(())) / len(last) if last else begun[name]
            torch.testing.assert_close(value, expected)


def test_a_fixed_random_teacher_is_another_network_and_stays(make_spec: MakeSpec, tmp_path: Path) -> None:
    config, state = start("fixed random")
    teacher = weights(state.teacher)
    assert not equal(teacher, weights(state.student))
    take_step(config, state, step=0)
    assert equal(weights(state.teacher), teacher)
    # What others ask a model for is then the student's.
    assert train(make_spec(tmp_path, pretrain=parameters("fixed random", epochs=1)))
    assert equal(model(tmp_path, "teacher"), model(tmp_path, "student"))


def test_simclrs_teacher_is_the_student_with_its_statistics() -> None:
    config, state = start("simclr")
    take_step(config, state, step=0)
    teacher, student = state.teacher.state_dict(), state.student.state_dict()
    compared = [name for name in teacher if not name.endswith("num_batches_tracked")]
    assert any(name.endswith("running_mean") for name in compared)
    assert all(torch.equal(teacher[name], student[name]) for name in compared)


def test_a_key_tells_nothing_of_the_images_that_were_in_its_batch() -> None:
    images = torch.randn(2, 8, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    others = images.clone()
    others[:, 1:] = others[:, 1:].flip(0) * 3
    for method, leaks in (("moco_v2", False), ("byol", True)):
        config, state = start(method)
        take_step(config, state, step=0)
        state.teacher.train(config.teacher.batch_statistics)
        one, other = (state.teacher([crops]).scores[:, 0] for crops in (images, others))
        assert torch.allclose(one, other, atol=1e-12) is not leaks


def test_the_teachers_statistics_follow_the_students_at_the_teachers_pace() -> None:
    config, state = start("moco_v2")
    before = {name: value.clone() for name, value in state.teacher.named_buffers()}
    take_step(config, state, step=0)  # momentum 0.9
    for name, value in state.teacher.named_buffers():
        if name.endswith("running_mean"):
            torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * state.student.get_buffer(name))


def test_a_predictor_is_the_students_alone_and_leaves_its_other_weights_as_they_begin() -> None:
    _, state = start("byol")
    names = {name for name, _ in state.student.named_parameters()}
    extra = names - {name for name, _ in state.teacher.named_parameters()}
    assert extra
    assert all(name.startswith("head.predictor.") for name in extra)
    assert equal(weights(state.teacher), weights(state.student))


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (3, r"gives 3 scores.*4 classes: set bottleneck_dim to 4, and num_prototypes to null"),
        (None, r"not every training image has a label"),
    ],
)
def test_training_on_labels_is_refused_where_they_do_not_fit(
    classes: int | None, told: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    head = PRETRAIN["projection_head"] | {"num_prototypes": None, "bottleneck_dim": classes or 4}
    spec = make_spec(tmp_path, pretrain=parameters("supervised") | {"projection_head": head})
    images = read_manifest(Path(spec.manifest), Path(spec.image_root))
    if classes is None:
        column = images.table.column_names.index("label")
        unlabelled = pa.nulls(len(images), pa.string())
        table = images.table.set_column(column, images.table.schema.field("label"), unlabelled)
        images = replace(images, table=table)
    with pytest.raises(ValueError, match=told):
        check(spec.pretrain, spec.monitoring, spec.launch, images, num_processes=1)
