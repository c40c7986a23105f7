"""Nine steps of the whole algorithm against the reference implementation's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.npyio import NpzFile

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from tests.dino.conftest import PRETRAIN


def reference_config(numbers: NpzFile) -> PretrainConfig:
    n = {name: numbers[name].item() for name in numbers.files if numbers[name].ndim == 0}
    patch = numbers["initial/backbone.patch_embed.proj.weight"].shape[-1]
    depth = len({k.split(".")[2] for k in numbers.files if k.startswith("initial/backbone.blocks.")})
    epochs = n["epochs"]
    temperature, momentum = n["teacher_temperature"], n["momentum_teacher"]
    changes = {
        "epochs": epochs,
        "batch_size": n["batch_size"],
        "backbone": {
            "name": "vit_tiny_patch16_224",
            "options": {"img_size": 32, "patch_size": patch, "embed_dim": 24, "depth": depth, "num_heads": 3},
            "drop_path_rate": 0.0,
        },
        "projection_head": {
            "num_prototypes": n["out_dim"],
            "num_layers": 3,
            "hidden_dim": n["hidden_dim"],
            "bottleneck_dim": n["bottleneck_dim"],
            "activation": "gelu",
            "norm_last_layer": n["norm_last_layer"],
            "batch_norm": False,
        },
        "loss": PRETRAIN["loss"]
        | {"student_temperature": n["student_temperature"], "center_momentum": n["center_momentum"]},
        "schedules": {
            "learning_rate": {
                "warmup_from": 0.0,
                "start": n["base_lr"],
                "end": n["min_lr"],
                "warmup_fraction": n["warmup_epochs"] / epochs,
            },
            "weight_decay": {
                "warmup_from": 0.0,
                "start": n["weight_decay"],
                "end": n["weight_decay_end"],
                "warmup_fraction": 0.0,
            },
            "teacher_momentum": {"warmup_from": 0.0, "start": momentum, "end": 1.0, "warmup_fraction": 0.0},
            "teacher_temperature": {
                "warmup_from": n["warmup_teacher_temperature"],
                "start": temperature,
                "end": temperature,
                "warmup_fraction": n["warmup_teacher_temperature_epochs"] / epochs,
            },
        },
        "optimizer": {
            "name": "adamw",
            "betas": [0.9, 0.999],
            "momentum": 0.9,
            "clip_gradient_norm": n["clip_grad"],
            "freeze_last_layer_fraction": n["freeze_last_layer_epochs"] / epochs,
            "freeze_backbone_fraction": 0.0,
            "backbone_learning_rate_scale": 1.0,
        },
    }
    return from_dict(PretrainConfig, PRETRAIN | changes)


def weights(numbers: NpzFile, prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix).replace("backbone.", "backbone.model."): torch.from_numpy(numbers[name])
        for name in numbers.files
        if name.startswith(prefix)
    }


@pytest.mark.golden
@pytest.mark.parametrize("last_layer", ["norm", "free"])
def test_nine_steps_end_where_the_references_do(golden: Path, last_layer: str) -> None:
    numbers = np.load(golden / f"trajectory_{last_layer}_last_layer.npz")
    config = reference_config(numbers)
    state = TrainingState(config, torch.device("cpu"))
    for network in (state.student, state.teacher):
        network.load_state_dict(weights(numbers, "initial/"))
    steps_per_epoch = int(numbers["steps_per_epoch"])
    num_steps = config.epochs * steps_per_epoch
    # The reference warms the temperature up by the epoch, the trainer by the step.
    by_epoch = [
        schedule_values(config, epoch, config.epochs, steps_per_epoch=1).teacher_temperature
        for epoch in range(config.epochs)
    ]
    for step in range(num_steps):
        crops = torch.from_numpy(numbers[f"crops/{step}"]).double()
        now = schedule_values(config, step, num_steps, steps_per_epoch=steps_per_epoch)._replace(
            teacher_temperature=by_epoch[step // steps_per_epoch]
        )
        assert now.learning_rate == pytest.approx(numbers["lr_schedule"][step], abs=1e-12)
        assert now.weight_decay == pytest.approx(numbers["wd_schedule"][step], abs=1e-12)
        assert now.teacher_momentum == pytest.approx(numbers["momentum_schedule"][step], abs=1e-12)
        metrics = training_step(state, config, crops[:2], crops[2:], now)
        assert metrics.loss.item() == pytest.approx(numbers["losses"][step], abs=1e-8)
    final = {"student": state.student, "teacher": state.teacher}
    for name, network in final.items():
        expected = weights(numbers, f"final_{name}/")
        renamed = {
            "head.last_layer.parametrizations.weight.original0": "head.last_layer.weight_g",
            "head.last_layer.parametrizations.weight.original1": "head.last_layer.weight_v",
        }
        found = {renamed.get(key, key): value for key, value in network.state_dict().items()}
        assert set(found) == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, atol=1e-8, err_msg=f"{name} {key}")
    np.testing.assert_allclose(
        state.loss.state_dict()["centering.center"], numbers["final_center"], atol=1e-8
    )
