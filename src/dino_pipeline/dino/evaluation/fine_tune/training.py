"""Fine-tune one backbone: AdamW with layer-wise learning rates; validation chooses the best epoch."""

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.loss import SoftTargetCrossEntropy
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn
from torch.optim import AdamW

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.drop_path import address_drop_paths, keep_masks
from dino_pipeline.dino.core.schedules import linearly_scaled, scheduled
from dino_pipeline.dino.evaluation.fine_tune.config import FineTuneConfig
from dino_pipeline.dino.evaluation.fine_tune.views import ViewDataset, mixed, view_loader
from dino_pipeline.dino.features.evaluation_transform import evaluation_loader, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig


class Classifier(nn.Module):
    """A backbone with a linear classifier: [N, 3, H, W] to logits [N, classes]."""

    def __init__(self, backbone: Backbone, *, num_classes: int, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.num_features, num_classes)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(self.head.weight.shape, generator=generator) * 0.01)
            self.head.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits


def layer_groups(classifier: Classifier, *, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups with `lr_scale`: 1 for the classifier, and `layer_decay` times the next layer's for each layer.

    Layer-wise decay is that of arXiv:2106.08254. timm defines a network's layers, and its parameters without weight
    decay.
    """
    network = classifier.backbone.model
    exempt = network.no_weight_decay() if hasattr(network, "no_weight_decay") else set()
    groups: list[dict[str, Any]] = param_groups_layer_decay(
        network, weight_decay=weight_decay, no_weight_decay_list=exempt, layer_decay=layer_decay
    )
    for group in groups:
        group["lr_scale"] *= layer_decay  # timm's last layer here is the one before the classifier
    groups.append({"params": [classifier.head.weight], "weight_decay": weight_decay, "lr_scale": 1.0})
    groups.append({"params": [classifier.head.bias], "weight_decay": 0.0, "lr_scale": 1.0})
    return groups


class Labelled(NamedTuple):
    """Images and their classes, int64 [images]; -1 is a class that does not occur in train."""

    images: Manifest
    labels: Tensor


class FineTuned(NamedTuple):
    """Shares in [0, 1] and losses of one start."""

    losses: list[float]  # mean over each epoch's train batches
    val: list[float]  # after each epoch
    best_epoch: int  # the first of the best on validation, from 1
    test: float | None  # of the best epoch; None without test


def batch_size_and_steps(num_images: int, config: FineTuneConfig) -> tuple[int, int]:
    """Images per batch, an even number that train can fill, and batches per epoch.

    Raises:
        ValueError: train has fewer than two images.
    """
    if num_images < 2:
        raise ValueError("fine-tuning mixes pairs of images, but there is only one train image: ingest more")
    batch_size = min(config.batch_size, num_images - num_images % 2)
    return batch_size, num_images // batch_size


def fine_tune(
    backbone: Backbone,
    train: Labelled,
    val: Labelled,
    test: Labelled | None,
    config: FineTuneConfig,
    transform: EvaluationTransformConfig,
    *,
    layer_decay: float,
    num_classes: int,
    device: torch.device,
    on_step: Callable[[], object],
) -> FineTuned:
    """Train the backbone, in place, and a new classifier on `train`; score `test` once.

    Every random draw is addressed, so equal arguments with equally many threads give equal numbers.
    """
    seed = config.seed
    head_seed = int(generator_at(seed, Domain.FINE_TUNE_START).integers(2**63))
    classifier = Classifier(backbone, num_classes=num_classes, seed=head_seed).to(device)
    drop_paths = address_drop_paths(backbone)
    optimizer = AdamW(
        layer_groups(classifier, layer_decay=layer_decay, weight_decay=config.weight_decay), lr=0.0
    )
    batch_size, steps_per_epoch = batch_size_and_steps(len(train.images), config)
    schedule = linearly_scaled(config.learning_rate, batch_size)
    num_steps = config.epochs * steps_per_epoch
    views = ViewDataset(train.images, transform.images, config.view, size=transform.crop, seed=seed)
    loader = view_loader(views, batch_size=batch_size, epochs=config.epochs, num_workers=config.num_workers)
    cross_entropy = SoftTargetCrossEntropy()
    losses: list[float] = []
    accuracies: list[float] = []
    best = classifier.state_dict()
    classifier.train()
    for step, (crops, positions) in enumerate(loader):
        rate = scheduled(schedule, step, num_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
        images = normalise(crops.to(device, non_blocking=True), transform.mean, transform.std)
        labels = train.labels[positions].to(device)
        images, targets = mixed(images, labels, config.mix, num_classes=num_classes, seed=seed, step=step)
        masks = keep_masks(
            drop_paths, seed=seed, step=step, num_crops=1, batch=range(batch_size), batch_size=batch_size
        )
        for drop_path, mask in zip(drop_paths, masks, strict=True):
            drop_path.keep(mask[0], device)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = classifier(images)
        loss = cross_entropy(logits.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ValueError(
                f"the loss of fine-tuning's step {step} is {losses[-1]}: lower fine_tune.learning_rate.start"
            )
        on_step()
        if (step + 1) % steps_per_epoch == 0:
            accuracies.append(accuracy(classifier, val, transform, config, device=device))
            if accuracies[-1] > max(accuracies[:-1], default=-1.0):
                best = copy.deepcopy(classifier.state_dict())
            classifier.train()
    classifier.load_state_dict(best)
    return FineTuned(
        losses=np.reshape(losses, (config.epochs, steps_per_epoch)).mean(axis=1).tolist(),
        val=accuracies,
        best_epoch=int(np.argmax(accuracies)) + 1,
        test=accuracy(classifier, test, transform, config, device=device) if test else None,
    )


@torch.inference_mode()
def accuracy(
    classifier: Classifier,
    labelled: Labelled,
    transform: EvaluationTransformConfig,
    config: FineTuneConfig,
    *,
    device: torch.device,
) -> float:
    """Share of the images, in their evaluation crop, that the classifier assigns to their class."""
    classifier.eval()
    loader = evaluation_loader(
        labelled.images, transform, batch_size=config.batch_size, num_workers=config.num_workers
    )
    predicted = []
    for crops in loader:
        images = normalise(crops.to(device, non_blocking=True), transform.mean, transform.std)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            predicted.append(classifier(images).argmax(dim=1).cpu())
    return float((torch.cat(predicted) == labelled.labels).double().mean())
