"""Training that starts from given weights: what is taken, what stays new, and what becomes of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.training.comparison import compare, read_verdict, sentence
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.initial_weights import resolve, store
from dino_pipeline.dino.training.online_evaluation import FeatureQuality
from dino_pipeline.dino.training.run import pretrain
from tests.dino.conftest import PRETRAIN, MakeSpec, StopAfter
from tests.dino.weights.official_files import official_state, write_full_checkpoint

CPU = torch.device("cpu")
OPTIONS = PRETRAIN["backbone"]["options"]


class Never:
    """Nobody asks to stop."""

    def agreed(self) -> bool:
        return False


@pytest.fixture
def backbone_file(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    torch.save(official_state("vit_tiny_patch16_224", OPTIONS), tmp_path / "backbone.pth")
    return tmp_path / "backbone.pth"


def config(**changes: object) -> PretrainConfig:
    return from_dict(PretrainConfig, PRETRAIN | changes)


def started(make_spec: MakeSpec, folder: Path, **changes: object) -> TrainingSpec:
    spec = make_spec(folder, pretrain=changes)
    start = resolve(spec.pretrain, root=Path())
    store(start, folder)
    return replace(spec, pretrain=start.config)


def test_a_backbone_alone_gets_the_same_new_head_in_both_networks(backbone_file: Path) -> None:
    start = resolve(config(initial_weights=str(backbone_file)), root=Path())
    state = TrainingState(start.config, CPU)
    state.load_initial(start.state)
    file = torch.load(backbone_file)
    for network in (state.student, state.teacher):
        torch.testing.assert_close(network.backbone.model.cls_token.float(), file["cls_token"])
    for mine, theirs in zip(state.student.head.parameters(), state.teacher.head.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_full_checkpoint_brings_head_and_center_unless_a_new_head_is_asked_for(
    backbone_file: Path, tmp_path: Path
) -> None:
    write_full_checkpoint(tmp_path / "full.pth", torch.load(backbone_file), num_prototypes=8, dim=24)
    start = resolve(config(initial_weights=str(tmp_path / "full.pth")), root=Path())
    head = start.config.projection_head
    assert (head.num_prototypes, head.num_layers, head.hidden_dim, head.bottleneck_dim) == (8, 3, 32, 16)
    assert not head.batch_norm
    state = TrainingState(start.config, CPU)
    state.load_initial(start.state)
    assert torch.equal(
        state.loss.state_dict()["centering.center"], torch.full((1, 8), 0.5, dtype=torch.float64)
    )
    difference = state.student.backbone.model.cls_token - state.teacher.backbone.model.cls_token
    torch.testing.assert_close(difference, torch.ones_like(difference), atol=1e-6, rtol=0)
    new = resolve(config(initial_weights=str(tmp_path / "full.pth"), new_head=True), root=Path())
    assert new.config.projection_head == config().projection_head
    assert new.state["center"] is None


def test_the_file_counts_by_its_bytes_and_not_by_its_place(
    backbone_file: Path, tmp_path: Path, tiny_manifest: Path
) -> None:
    images = read_manifest(tiny_manifest, tiny_manifest.parent)

    def identity(path: Path) -> str:
        return fingerprint(resolve(config(initial_weights=str(path)), root=Path()).config, images)

    copy = tmp_path / "elsewhere.pth"
    copy.write_bytes(backbone_file.read_bytes())
    other = tmp_path / "other.pth"
    torch.save({k: v + 0.1 for k, v in torch.load(backbone_file).items()}, other)
    assert identity(copy) == identity(backbone_file)
    assert len({identity(backbone_file), identity(other), fingerprint(config(), images)}) == 3


def test_weights_of_another_shape_and_missing_files_are_refused(tmp_path: Path) -> None:
    torch.save({"cls_token": torch.zeros(1, 1, 7)}, tmp_path / "odd.pth")
    with pytest.raises(
        ValueError,
        match=r"odd\.pth: the architecture is not recognised.*not those of vit_tiny.*missing.*name it",
    ):
        resolve(config(initial_weights=str(tmp_path / "odd.pth")), root=Path())
    with pytest.raises(ValueError, match=r"initial_weights: .*gone\.pth does not exist"):
        resolve(config(initial_weights="gone.pth"), root=tmp_path)


def test_the_backbone_stands_still_and_then_rises_to_its_scale() -> None:
    optimizer = PRETRAIN["optimizer"] | {"freeze_backbone_fraction": 0.2, "backbone_learning_rate_scale": 0.1}
    values = [
        schedule_values(config(optimizer=optimizer), step, 20, steps_per_epoch=20) for step in range(20)
    ]
    shares = [now.backbone_learning_rate / now.learning_rate for now in values[1:]]
    assert shares == pytest.approx([0.0] * 3 + [0.025, 0.05, 0.075] + [0.1] * 13)


def test_a_frozen_backbone_does_not_move_while_the_head_does(
    backbone_file: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    optimizer = PRETRAIN["optimizer"] | {"freeze_backbone_fraction": 0.5, "freeze_last_layer_fraction": 0.0}
    spec = started(make_spec, tmp_path / "run", initial_weights=str(backbone_file), optimizer=optimizer)
    assert not pretrain(spec, CPU, StopAfter(5))  # of 10
    student = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["state"]["student"]
    for name, value in torch.load(backbone_file).items():
        assert torch.equal(student[f"backbone.model.{name}"].float(), value), name
    torch.manual_seed(PRETRAIN["seed"])
    fresh, _ = build_student_and_teacher(spec.pretrain.backbone, spec.pretrain.projection_head)
    assert not torch.equal(student["head.mlp.0.weight"].float(), fresh.head.mlp[0].weight)


def test_a_continued_training_ends_with_a_verdict_and_resumes_bit_for_bit(
    backbone_file: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes = {"initial_weights": str(backbone_file), "precision": "fp32"}
    whole = started(make_spec, tmp_path / "whole", **changes)
    assert pretrain(whole, CPU, Never())
    interrupted = started(make_spec, tmp_path / "interrupted", **changes)
    assert not pretrain(interrupted, CPU, StopAfter(4))
    backbone_file.unlink()  # the training has its own copy
    assert pretrain(interrupted, CPU, Never())
    finished = [tmp_path / run / "finished" for run in ("whole", "interrupted")]
    for name in ("teacher.safetensors", "model.json", "verdict.json", "history.csv"):
        assert (finished[0] / name).read_bytes() == (finished[1] / name).read_bytes(), name
    verdict = read_verdict(finished[0])
    assert verdict is not None
    assert verdict["num_images"] == 16
    assert verdict["knn"][1] - verdict["knn"][0] == pytest.approx(verdict["difference"])
    assert "cls_token" in " ".join(load_file(finished[0] / "teacher.safetensors"))


def test_the_verdict_needs_an_interval_clear_of_zero_and_labels() -> None:
    def judged(num_correct: int | None) -> FeatureQuality:
        correct = None if num_correct is None else torch.arange(100) < num_correct
        return FeatureQuality(effective_rank=9.0, feature_std=0.1, correct=correct)

    assert compare(judged(50), judged(70))["verdict"] == "better"
    assert compare(judged(70), judged(50))["verdict"] == "worse"
    assert compare(judged(50), judged(51))["verdict"] == "the same"
    unjudged = compare(judged(None), judged(None))
    assert unjudged["verdict"] == "unjudged"
    assert sentence(unjudged).startswith("without labels")
    assert "50.0 to 70.0 % of 100 validation images, +20.0 points" in sentence(
        compare(judged(50), judged(70))
    )
