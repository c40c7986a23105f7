"""Linear probes against one torch.optim.SGD run a learning rate, over the same crops."""

import numpy as np
import pytest
import torch
from torch import nn

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.dataset import Address
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.extraction import FeatureBatch
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import center_and_scale
from dino_pipeline.dino.evaluation.linear_probe.training import ProbeTraining, train_linear_probes
from dino_pipeline.dino.evaluation.linear_probe.views import ProbeViews

CPU = torch.device("cpu")
CONFIG = LinearProbeConfig(
    learning_rates=(0.3, 0.01, 2.0),
    epochs=4,
    batch_size=10,
    momentum=0.9,
    crop_scale=(0.3, 1.0),
    flip_probability=0.5,
    seed=5,
)


def rows_and_columns(crops):
    """Features in float64 that tell crops apart: the mean of each row and column of the red channel."""
    red = crops[:, 0].double() / 255
    return torch.cat([red.mean(dim=1), red.mean(dim=2)], dim=1)


def naive_probe(train, transform, center, scale, learning_rate):
    """The paper's loop as torch spells it, image by image."""
    classes = train.class_names
    labels = torch.tensor([classes.index(label) for label in train.labels])
    generator = torch.Generator().manual_seed(CONFIG.seed)
    linear = nn.Linear(len(center), len(classes), dtype=torch.float64)
    start = torch.randn(len(center), 1, len(classes), generator=generator).double() * 0.01
    linear.weight.data.copy_(start[:, 0].T)
    linear.bias.data.zero_()
    optimizer = torch.optim.SGD(
        linear.parameters(), lr=learning_rate * CONFIG.batch_size / 256, momentum=CONFIG.momentum
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, CONFIG.epochs, eta_min=0)
    views = ProbeViews(train, transform, CONFIG)
    for epoch in range(CONFIG.epochs):
        order = generator_at(CONFIG.seed, Domain.PROBE_ORDER, epoch).permutation(len(train))
        for batch in np.array_split(order, 3):  # 25 images in batches of at most 10
            crops = torch.stack([views[Address(epoch, int(position))] for position in batch])
            optimizer.zero_grad()
            scores = linear((rows_and_columns(crops) - center) / scale)
            nn.functional.cross_entropy(scores, labels[torch.from_numpy(batch)]).backward()
            optimizer.step()
        scheduler.step()
    return linear


@pytest.fixture(scope="module")
def trained(manifest, transform):
    train = manifest.split("train")
    views = ProbeViews(train, transform, CONFIG)
    crops = torch.stack([views[Address(0, position)] for position in range(len(train))])
    normalisation = center_and_scale(rows_and_columns(crops))
    probes = train_linear_probes(
        train,
        {"one": lambda crops: FeatureBatch(rows_and_columns(crops), None)},
        {"one": normalisation},
        transform,
        CONFIG,
        num_workers=0,
        device=CPU,
    )["one"]
    return train, normalisation, probes


@pytest.mark.parametrize("index", range(3))
def test_probes_trained_at_once_equal_one_sgd_run_each(trained, transform, index):
    train, (center, scale), probes = trained
    naive = naive_probe(train, transform, center, scale, CONFIG.learning_rates[index])
    torch.testing.assert_close(probes.weight[:, index], naive.weight.T.detach(), atol=1e-8, rtol=1e-7)
    torch.testing.assert_close(probes.bias[index], naive.bias.detach(), atol=1e-8, rtol=1e-7)


def test_the_linear_feature_is_what_is_classified_where_there_is_one(manifest, transform):
    train = manifest.split("train")

    def function(crops):
        return FeatureBatch(rows_and_columns(crops)[:, :3], rows_and_columns(crops))

    normalisation = (torch.zeros(32, dtype=torch.float64), torch.ones((), dtype=torch.float64))
    probes = train_linear_probes(
        train, {"vit": function}, {"vit": normalisation}, transform, CONFIG, num_workers=0, device=CPU
    )
    assert probes["vit"].weight.shape == (32, 3, len(train.class_names))


@pytest.mark.parametrize("num_threads", [1, 2, 3, 8])
def test_networks_at_once_are_trained_as_alone(trained, transform, num_threads):
    train, (center, scale), alone = trained
    functions = {
        factor: lambda crops, factor=factor: FeatureBatch(rows_and_columns(crops) * factor, None)
        for factor in (1.0, 2.0, 4.0)  # powers of two round alike
    }
    normalisations = {factor: (center * factor, scale * factor) for factor in functions}
    with compute.fixed_threads(num_threads):
        together = train_linear_probes(
            train, functions, normalisations, transform, CONFIG, num_workers=0, device=CPU
        )
        assert torch.get_num_threads() == num_threads
    for probes in together.values():
        assert torch.equal(probes.weight, alone.weight)
        assert torch.equal(probes.bias, alone.bias)


def test_an_error_in_one_of_several_networks_ends_the_training(trained, transform):
    train, normalisation, _ = trained

    def broken(crops):
        raise ValueError(f"no features of {len(crops)} crops")

    functions = {"one": lambda crops: FeatureBatch(rows_and_columns(crops), None), "broken": broken}
    with compute.fixed_threads(2), pytest.raises(ValueError, match="no features of 9 crops"):
        train_linear_probes(
            train,
            functions,
            dict.fromkeys(functions, normalisation),
            transform,
            CONFIG,
            num_workers=0,
            device=CPU,
        )


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_features_scale_and_offset_change_no_prediction(factor):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 4
    features = torch.eye(4, dtype=torch.float64)[labels] + torch.randn(60, 4, generator=generator)
    predictions = []
    for moved in (features, features * factor + 3 * factor):
        center, scale = center_and_scale(moved)
        training = ProbeTraining(CONFIG, num_classes=4, center=center, scale=scale)
        for epoch in range(CONFIG.epochs):
            training.step(moved, labels, epoch=epoch)
        predictions.append(training.probes.predict(moved))
    assert torch.equal(*predictions)
