"""A teacher of another architecture: where its weights come from, what is refused, and what is left in the model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.initial_weights import resolve, store
from dino_pipeline.dino.training.validation import check
from dino_pipeline.dino.weights.pretrained_weights import read_weights
from dino_pipeline.dino.weights.published import PublishedModel, load_frozen_teacher, write_model
from tests.dino.conftest import PRETRAIN, MakeSpec

from .test_methods import parameters
from .test_run import model, train

DISTILLATION = parameters("distillation")
TEACHER = from_dict(PretrainConfig, PRETRAIN | DISTILLATION).frozen_teacher
assert TEACHER is not None


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return build_backbone(TEACHER).model.state_dict()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(weights(), tmp_path / "teacher.pth")
    return tmp_path / "teacher.pth"


def named(name: object, **teacher: object) -> dict[str, object]:
    return DISTILLATION | {"teacher": DISTILLATION["teacher"] | {"weights": str(name)} | teacher}  # type: ignore[operator]


def distilling(make_spec: MakeSpec, folder: Path, name: Path) -> TrainingSpec:
    spec = make_spec(folder, pretrain=named(name), monitoring={"num_trial_steps": 0})
    start = resolve(spec.pretrain, root=Path())
    store(start, folder)
    return replace(spec, pretrain=start.config)


def test_the_student_is_published_and_its_teacher_beside_it(
    make_spec: MakeSpec, file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "training"
    assert train(distilling(make_spec, folder, file))
    teacher, student = model(folder, "teacher"), model(folder, "student")
    assert all(torch.equal(value, student[name]) for name, value in teacher.items())
    frozen = load_frozen_teacher(folder / "finished")
    assert frozen is not None
    assert all(torch.equal(value, weights()[name]) for name, value in frozen.model.state_dict().items())
    # Who starts from its checkpoint starts from the student.
    read = read_weights(folder / "last.pt", [])
    assert read.backbone == from_dict(PretrainConfig, PRETRAIN).backbone
    assert torch.equal(
        read.networks["teacher"]["head.mlp.weight"], read.networks["student"]["head.mlp.weight"]
    )


def test_the_same_weights_are_the_same_training_wherever_they_lie(
    file: Path, tmp_path: Path, tiny_manifest: Path
) -> None:
    images = read_manifest(tiny_manifest, tiny_manifest.parent)
    torch.save(weights(seed=1), tmp_path / "other.pth")
    (tmp_path / "elsewhere").mkdir()
    copied = tmp_path / "elsewhere" / file.name
    copied.write_bytes(file.read_bytes())
    one, copy, other = (
        fingerprint(resolve(from_dict(PretrainConfig, PRETRAIN | named(name)), root=Path()).config, images)
        for name in (file, copied, tmp_path / "other.pth")
    )
    assert one == copy != other


def test_images_are_normalised_as_the_teacher_s_were(tmp_path: Path) -> None:
    config = {
        "backbone": to_dict(TEACHER),
        "images": {"channels": 3, "bits": 8},
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
    }
    description = PublishedModel(fingerprint="f", data_digest="d", recipe="r", config=config)
    write_model(tmp_path, description, {"teacher": {f"backbone.model.{k}": v for k, v in weights().items()}})
    start = resolve(from_dict(PretrainConfig, PRETRAIN | named(tmp_path)), root=Path())
    assert (start.config.mean, start.config.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert start.frozen_teacher is not None
    assert torch.equal(start.frozen_teacher["backbone.model.cls_token"], weights()["cls_token"])


def test_weights_of_another_architecture_are_refused(file: Path) -> None:
    larger = {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0}
    config = from_dict(PretrainConfig, PRETRAIN | named(file, backbone=larger))
    with pytest.raises(
        ValueError, match=r"teacher\.pth does not contain the weights of resnet10t: \d+ missing"
    ):
        resolve(config, root=Path())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"projection_head": DISTILLATION["projection_head"] | {"bottleneck_dim": 16}},  # type: ignore[operator]
            r"gives 16 logits.*vit_tiny_patch16_224 have 36 dimensions: set bottleneck_dim to 36",
        ),
        (
            {"multi_crop": DISTILLATION["multi_crop"] | {"global_crop_size": 20}},  # type: ignore[operator]
            r"global_crop_size is 20, which is not a multiple of the ViT's patch of 8: set it to 16",
        ),
    ],
)
def test_a_student_that_cannot_answer_its_teacher_is_refused(
    changes: dict, told: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path, pretrain=named("a hash") | changes)
    images = read_manifest(Path(spec.manifest), Path(spec.image_root))
    with pytest.raises(ValueError, match=told):
        check(spec.pretrain, spec.monitoring, spec.launch, images, num_processes=1)
