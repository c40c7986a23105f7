"""Every method trains the same with one process and two, and goes on after a stop as if there had been none."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.batch_norm import running_means
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.training.checkpoint import save_checkpoint
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.frozen_teacher import FROZEN_TEACHER
from dino_pipeline.dino.training.history import numbers, read_rows
from dino_pipeline.dino.training.validation import check
from tests.dino.conftest import PRETRAIN, MakeSpec

from .test_run import checkpoint, model, train, train_with_processes

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
        "loss": {"name": "supervised"},
        "projection_head": {"num_prototypes": None, "num_layers": 1, "bottleneck_dim": 4},
        "teacher": {"name": "none"},
    },
    "koleo": {"loss": {"koleo_weight": 0.1}},
    "dino with coding rate": {"loss": {"coding_rate_weight": 0.02}},
    "emp_ssl": {
        "loss": {"name": "emp_ssl", "coding_rate_weight": 0.02},
        "projection_head": NO_PROTOTYPES,
        "teacher": {"name": "none"},
    },
    "softmax over the batch": {"loss": {"centering": "softmax_over_batch"}},
    "distillation": {
        "loss": {"name": "distillation"},
        "projection_head": {"num_prototypes": None, "num_layers": 1, "bottleneck_dim": 36},
        "teacher": {
            "name": "frozen",
            "batch_statistics": False,
            "weights": "a hash",
            "backbone": {
                "name": "vit_tiny_patch16_224",
                "options": {"img_size": 16, "patch_size": 8, "embed_dim": 36, "depth": 1, "num_heads": 3},
                "drop_path_rate": 0.0,
            },
        },
        "multi_crop": {"num_local_crops": 0},
    },
    "co_distillation": {"teacher": {"name": "peer"}},
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


def crops(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, 8, 3, 16, 16, dtype=torch.float64, generator=random),
        torch.randn(2, 8, 3, 8, 8, dtype=torch.float64, generator=random),
    )


def take_step(config: PretrainConfig, state: TrainingState, *, step: int, steps_per_epoch: int = 5) -> None:
    global_crops, local_crops = crops(step)
    local_crops = local_crops[: config.multi_crop.num_local_crops]
    now = schedule_values(config, step, 20, steps_per_epoch=steps_per_epoch)
    training_step(state, config, global_crops, local_crops, now, torch.arange(8) % 4)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def prepared(make_spec: MakeSpec, folder: Path, **changes: dict[str, object]) -> TrainingSpec:
    """A training's specification; the weights of a frozen teacher lie where it looks for them."""
    spec = make_spec(folder, **changes)
    if spec.pretrain.frozen_teacher is not None:
        torch.manual_seed(7)
        teacher = build_backbone(spec.pretrain.frozen_teacher)
        named = {f"backbone.{name}": value for name, value in teacher.state_dict().items()}
        save_checkpoint(named, folder / FROZEN_TEACHER)
    return spec


def assert_close(one: Path, two: Path) -> None:
    """All that the last checkpoints of two trainings hold."""
    first, second = checkpoint(one), checkpoint(two)
    assert set(first) == set(second)
    for name, value in first.items():
        torch.testing.assert_close(
            second[name], value, atol=1e-8, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_is_an_undisturbed_one_bit_for_bit(
    method: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes = {"pretrain": parameters(method, precision="fp32"), "monitoring": {"num_trial_steps": 0}}
    assert train(prepared(make_spec, tmp_path / "whole", **changes))
    interrupted = prepared(make_spec, tmp_path / "interrupted", **changes)
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
    assert train(prepared(make_spec, tmp_path / "one", **changes))
    train_with_processes(prepared(make_spec, tmp_path / "two", **changes), 2)
    assert_close(tmp_path / "one", tmp_path / "two")


@pytest.mark.full
@pytest.mark.parametrize("method", ["snapshot average", "distillation", "co_distillation"])
def test_sharded_weights_train_what_whole_ones_do(method: str, make_spec: MakeSpec, tmp_path: Path) -> None:
    changes = {"pretrain": parameters(method), "monitoring": {"num_trial_steps": 0}}
    assert train(prepared(make_spec, tmp_path / "one", **changes))
    # Stopped at an epoch's end unsharded, finished sharded: whole tensors lie in every checkpoint.
    assert not train(prepared(make_spec, tmp_path / "two", **changes), stop_after=5)
    train_with_processes(prepared(make_spec, tmp_path / "two", **changes, launch={"shard_weights": True}), 2)
    assert_close(tmp_path / "one", tmp_path / "two")


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


def test_each_of_two_peers_follows_what_the_other_answered() -> None:
    groups = parameters("co_distillation")
    groups |= {
        "backbone": PRETRAIN["backbone"] | {"drop_path_rate": 0.0},  # type: ignore[operator]
        "optimizer": PRETRAIN["optimizer"] | {"clip_gradient_norm": 0.0, "freeze_last_layer_fraction": 0.0},  # type: ignore[operator]
    }
    config = from_dict(PretrainConfig, PRETRAIN | groups)
    state = TrainingState(config, CPU)
    copies = copy.deepcopy(state.student), copy.deepcopy(state.teacher)
    global_crops, local_crops = crops(0)
    student, peer = (network([global_crops, local_crops]).logits for network in copies)
    assert not torch.allclose(student, peer)
    for own, other in ((student, peer), (peer, student)):
        targets = (other[:2].detach() / 0.04).softmax(dim=-1)  # the centers are still 0
        pairs = [
            -(targets[t] * (own[v] / 0.1).log_softmax(dim=-1)).sum(dim=-1).mean()
            for t in range(2)
            for v in range(len(own))
            if v != t
        ]
        torch.stack(pairs).mean().backward()
    take_step(config, state, step=0)
    for copied, trained in zip(copies, (state.student, state.teacher), strict=True):
        gradients = {name: p.grad for name, p in copied.named_parameters() if p.grad is not None}
        assert gradients
        for name, gradient in gradients.items():
            torch.testing.assert_close(trained.get_parameter(name).grad, gradient, atol=1e-10, rtol=0)
    centers = [learner.loss.state_dict()["centering.center"] for learner in state.learners]
    for center, answers in zip(centers, (peer, student), strict=True):
        torch.testing.assert_close(center, 0.1 * answers[:2].mean(dim=(0, 1))[None].detach())


def test_a_frozen_teacher_answers_by_the_statistics_of_its_own_training_and_stays() -> None:
    groups = parameters("distillation")
    groups["teacher"] |= {"backbone": {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0}}  # type: ignore[operator]
    groups["projection_head"] |= {"bottleneck_dim": 512}  # type: ignore[operator]
    config = from_dict(PretrainConfig, PRETRAIN | groups)
    state = TrainingState(config, CPU)
    before = {name: value.clone() for name, value in state.teacher.state_dict().items()}
    global_crops, _ = crops(0)
    state.teacher.eval()
    alone = state.teacher([global_crops[:, :1]]).logits
    take_step(config, state, step=0)
    assert all(torch.equal(value, before[name]) for name, value in state.teacher.state_dict().items())
    torch.testing.assert_close(state.teacher([global_crops]).logits[:, :1], alone)


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
        one, other = (state.teacher([crops]).logits[:, 0] for crops in (images, others))
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
        (3, r"gives 3 logits.*4 classes: set bottleneck_dim to 4, and num_prototypes to null"),
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
