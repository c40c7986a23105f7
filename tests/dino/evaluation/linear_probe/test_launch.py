"""Probes of a real model, alone and under torchrun."""

from dataclasses import replace
from pathlib import Path

import torch

from dino_pipeline.dino.evaluation.launch import extract
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.launch import linear_probes

CONFIG = LinearProbeConfig(
    learning_rates=(0.1, 1.0),
    epochs=2,
    batch_size=9,
    momentum=0.9,
    crop_scale=(0.3, 1.0),
    flip_probability=0.5,
    seed=0,
)


def test_two_processes_train_what_one_does(manifest, model_folder: Path, extract_config) -> None:
    features = extract(manifest, model_folder, extract_config)
    train = manifest.split("train")
    one = linear_probes(train, model_folder, features, extract_config, CONFIG)
    two = linear_probes(train, model_folder, features, replace(extract_config, cpu_processes=2), CONFIG)
    assert one.keys() == two.keys() == features.keys()
    for name, probes in one.items():
        assert probes.weight.shape[1:] == (2, len(train.class_names))
        torch.testing.assert_close(two[name].weight, probes.weight, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(two[name].bias, probes.bias, atol=1e-4, rtol=1e-4)
