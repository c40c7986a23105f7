"""On a pretended GPU no CPU tensor mixes in and nothing waits for the device: every method, network and precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException

from dino_pipeline.dino.core.batches import ToFloats
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.loader import MultiCropBatch
from dino_pipeline.dino.core.data.photometric.drawn import Row, as_row, draw
from dino_pipeline.dino.core.losses.config import methods
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbones.pooled import PooledBackbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.step import StepMetrics, training_step
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from tests.dino.conftest import PRETRAIN
from tests.dino.pretended_gpu import (
    GPU,
    Strict,
    WaitsForTheDeviceError,
    backward_pretended,
    move,
    pretended_gpu,
    pretended_state,
)
from tests.dino.training.test_methods import METHODS, parameters

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
VIT = PRETRAIN["backbone"]
FAMILIES: dict[str, dict[str, Any]] = {
    "ViT": VIT,
    "ViT with registers": VIT | {"options": {**VIT["options"], "reg_tokens": 2}},
    "ResNet": {"name": "resnet10t", "options": {}, "drop_path_rate": 0.1},
    "ResNet with a small stem": {"name": "resnet18_small_stem", "options": {}, "drop_path_rate": 0.0},
    "ConvNeXt": {
        "name": "convnext_atto",
        "options": {},
        "drop_path_rate": 0.1,
    },
    "XCiT": {
        "name": "xcit_nano_12_p8_224",
        "options": {"depth": 1, "cls_attn_layers": 1},
        "drop_path_rate": 0.1,
    },
}
SIDES = {"global_crop_size": 32, "local_crop_size": 32}  # ConvNeXt leaves 1 of 32
# `make test` takes the one that GPUs train in.
PRECISIONS = ["bf16", *(pytest.param(other, marks=pytest.mark.full) for other in ("fp32", "fp16"))]


def configuration(method: str | None = None, **groups: Any) -> PretrainConfig:
    values = PRETRAIN | {"precision": "fp32"} | (parameters(method) if method else {})
    return from_dict(PretrainConfig, values | groups)


def step_on_gpu(config: PretrainConfig, **values: float) -> StepMetrics:
    """The second step: the first makes the optimizer's state."""
    shape = config.multi_crop
    with pretended_gpu():
        state = pretended_state(config)
        crops = [
            torch.empty(count, config.batch_size, config.images.channels, side, side, device=GPU)
            for count, side in ((2, shape.global_crop_size), (shape.num_local_crops, shape.local_crop_size))
        ]
        labels = torch.empty(config.batch_size, dtype=torch.int64, device=GPU)
        now = schedule_values(config, 0, 10, steps_per_epoch=1)._replace(**values)
        with backward_pretended(state):
            training_step(state, config, *crops, now, labels)
            with Strict():
                metrics = training_step(state, config, *crops, now, labels)
        for network in (state.student, state.teacher):
            assert {value.device.type for value in network.state_dict().values()} == {"cuda"}
    return metrics


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("method", ["dino", *METHODS])
def test_a_step_of_every_method_stays_on_the_device(method: str, precision: str) -> None:
    config = configuration(None if method == "dino" else method, precision=precision, accumulation_steps=2)
    if precision == "fp16" and config.optimizer.name == "sgd":  # the one that waits: docs/gpu.md says so
        with pytest.raises(DataDependentOutputException):
            step_on_gpu(config)
        return
    metrics = step_on_gpu(config, teacher_momentum=0.0)
    assert {value.device.type for value in metrics.values.values()} == {"cuda"}
    assert metrics.loss.dtype == torch.float32  # whatever the networks computed in


def test_every_loss_is_among_those_methods() -> None:
    named = {parameters(method).get("loss", PRETRAIN["loss"])["name"] for method in METHODS}  # type: ignore[index]
    assert named == set(methods())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_of_every_family_stays_on_the_device(family: str, precision: str) -> None:
    crops = PRETRAIN["multi_crop"] | SIDES
    step_on_gpu(configuration(backbone=FAMILIES[family], precision=precision, multi_crop=crops))


def test_every_adapter_is_among_those_families() -> None:
    assert {type(built(family)) for family in FAMILIES} == {ViTBackbone, PooledBackbone}


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
def test_a_step_of_the_other_optimizers_stays_on_the_device(optimizer: str) -> None:
    step_on_gpu(configuration(optimizer=PRETRAIN["optimizer"] | {"name": optimizer}))


def built(family: str) -> Backbone:
    config = configuration(backbone=FAMILIES[family])
    return build_backbone(config.network)


EXTRACT = {
    "resize": 32,
    "crop": 32,
    "num_last_blocks": 2,
    "average_patches": True,
    "batch_size": 4,
    "num_workers": 0,
    "cpu_processes": 1,
    "num_threads": None,
    "baselines": {"random_seed": 0, "batch_norm_images": 4, "pixels_size": 8, "histogram_bins": 2},
}


@pytest.mark.parametrize("precision", PRECISIONS[:2])
@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_every_family_stay_on_the_device(family: str, precision: str) -> None:
    backbone = built(family)
    config = configuration()
    transform = EvaluationTransformConfig(
        resize=32, crop=32, images=config.images, mean=config.statistics.mean, std=config.statistics.std
    )
    with pretended_gpu():
        move(backbone)
        backbone.to = lambda _: backbone  # type: ignore[assignment, method-assign, return-value]  # there already
        features = backbone_features(
            backbone, transform, from_dict(ExtractConfig, EXTRACT | {"precision": precision}), device=GPU
        )
        found = features(torch.empty(4, 3, 32, 32, dtype=torch.uint8, device=GPU))
    assert found.embedding.device.type == "cuda"
    assert found.embedding.shape == (4, backbone.num_features)
    assert found.embedding.dtype == torch.float32
    assert (found.linear is not None) == backbone.is_vit


@pytest.mark.parametrize(
    ("channels", "dtype"), [(3, torch.uint8), (1, torch.uint8), (3, torch.uint16), (5, torch.uint16)]
)
def test_batches_are_augmented_on_the_device(channels: int, dtype: torch.dtype) -> None:
    statistics = {"mean": [0.5] * channels, "std": [0.25] * channels}
    config = configuration(images={"channels": channels, "bits": torch.iinfo(dtype).bits}, **statistics)
    drawn = draw(config.multi_crop.global_1, np.random.default_rng(0))
    with pretended_gpu():
        to_floats = ToFloats(config, GPU, compiled=False)
        batch = MultiCropBatch(
            global_crops=torch.empty(2, 4, 16, 16, channels, dtype=dtype),
            local_crops=torch.empty(2, 4, 8, 8, channels, dtype=dtype),
            drawn=torch.empty(4, 4, len(as_row(drawn))),
            labels=torch.empty(4, dtype=torch.int64),
            unreadable=[],
        )
        with Strict():
            crops = to_floats(batch)
    assert [None if x is None else (x.device.type, x.dtype) for x in crops] == [
        ("cuda", torch.float32),
        ("cuda", torch.float32),
        ("cuda", torch.int64),
    ]
    assert crops[0].shape == (2, 4, channels, 16, 16)
    assert len(Row._fields) == batch.drawn.shape[-1]  # type: ignore[union-attr]


def test_autocast_computes_in_half_precision_there() -> None:
    linear = torch.nn.Linear(4, 4)
    for half in HALF.values():
        with pretended_gpu(), torch.autocast("cuda", half):
            move(linear)
            assert linear(torch.empty(2, 4, device=GPU)).dtype == half


MIXED = {
    "a CPU tensor": lambda x: x + torch.ones(4),
    "a CPU index": lambda x: x[torch.arange(2)],
    "a list as index": lambda x: x[[0, 1]],
    "a tensor made of a list": lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0], device=GPU),
    "a copy to the host": lambda x: x.cpu(),
}
READ = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "bool": lambda x: bool(x.sum()),
    "tolist": lambda x: x.tolist(),
}


@pytest.mark.parametrize("fault", MIXED)
def test_the_pretended_gpu_notices_what_lies_on_the_cpu(fault: str) -> None:
    with pretended_gpu():
        x = torch.empty(4, device=GPU)
        with Strict(), pytest.raises((WaitsForTheDeviceError, RuntimeError), match=r"cpu|device"):
            MIXED[fault](x)


@pytest.mark.parametrize("fault", READ)
def test_the_pretended_gpu_notices_a_read_by_the_host(fault: str) -> None:
    with pretended_gpu():
        x = torch.empty(4, device=GPU)
        with Strict(), pytest.raises(DataDependentOutputException):
            READ[fault](x)


@pytest.mark.parametrize("planted", [lambda loss: loss + torch.zeros(1), lambda loss: loss * loss.item()])
def test_a_fault_planted_in_a_loss_ends_the_step(
    monkeypatch: pytest.MonkeyPatch, planted: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    from dino_pipeline.dino.core.losses.methods import dino

    own = dino.dino_loss
    monkeypatch.setattr(dino, "dino_loss", lambda *args, **kwargs: planted(own(*args, **kwargs)).squeeze())
    with pytest.raises((RuntimeError, DataDependentOutputException, WaitsForTheDeviceError)):
        step_on_gpu(configuration())


def test_mixing_is_allowed_where_no_device_waits() -> None:
    with pretended_gpu(), Strict():
        x = torch.empty(4, device=GPU)
        assert (x * torch.tensor(2.0)).device.type == "cuda"  # a number
        assert torch.empty(4).to(GPU, non_blocking=True).device.type == "cuda"
