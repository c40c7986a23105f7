"""Fine-tune from each start: the pretrained teacher, the untrained network, and a supervised network if given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.fine_tune.config import FineTuneConfig
from dino_pipeline.dino.evaluation.fine_tune.supervised import load_supervised
from dino_pipeline.dino.evaluation.fine_tune.training import Labelled, batch_size_and_steps, fine_tune
from dino_pipeline.dino.evaluation.networks import Networks, load_networks
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.progress import Progress
from dino_pipeline.dino.weights.published import read_model


def measure_fine_tuning(
    manifest: Manifest, model: Path, config: FineTuneConfig, extract: ExtractConfig, *, device: torch.device
) -> dict[str, Any]:
    """Fine-tune from every start with the same data, order, views and steps.

    The untrained network has no layer-wise decay, because it has no early layers to preserve.

    Args:
        manifest: all splits.
        model: a published model's folder.

    Returns:
        `results`: `{start: {val, test, best_epoch, val_by_epoch, loss_by_epoch}}`, shares in [0, 1], test null if there
        is none; `num_images`, `num_classes`; `skipped`: skipped part to the reason.
    """
    splits = {name: manifest.split(name) for name in SPLITS}
    classes = splits["train"].class_names
    skipped = _skipped(splits)
    report: dict[str, Any] = {"results": {}, "num_classes": len(classes), "skipped": skipped}
    report["num_images"] = {name: len(images) for name, images in splits.items()}
    if "results" in skipped:
        return report
    labelled = {
        name: Labelled(images, torch.from_numpy(images.label_indices(classes)))
        for name, images in splits.items()
    }
    networks = load_networks(model, splits["train"], extract, device=device)
    starts = _starts(model, manifest.root, networks, config)
    _, steps_per_epoch = batch_size_and_steps(len(splits["train"]), config)
    num_steps = len(starts) * config.epochs * steps_per_epoch
    with Progress("fine-tune", total=num_steps, unit="steps") as progress:
        for name, backbone in starts.items():
            progress.describe(f"fine-tune {name}")
            tuned = fine_tune(
                backbone,
                labelled["train"],
                labelled["val"],
                None if "test" in skipped else labelled["test"],
                config,
                networks.transform,
                layer_decay=1.0 if name == "random" else config.layer_decay,
                num_classes=len(classes),
                device=device,
                on_step=progress.update,
            )
            report["results"][name] = {
                "val": tuned.val[tuned.best_epoch - 1],
                "test": tuned.test,
                "best_epoch": tuned.best_epoch,
                "val_by_epoch": tuned.val,
                "loss_by_epoch": tuned.losses,
            }
    return report


def _starts(model: Path, root: Path, networks: Networks, config: FineTuneConfig) -> dict[str, Backbone]:
    """Backbones with fine-tuning's stochastic depth, by the name of their weights."""
    published = from_dict(BackboneConfig, read_model(model).config["backbone"])
    architecture = replace(published, drop_path_rate=config.drop_path_rate)
    starts = {}
    for name in ("teacher", "random"):
        starts[name] = build_backbone(architecture)
        starts[name].load_state_dict(networks.backbones[name].state_dict())
    if config.supervised_weights is not None:
        starts["supervised"] = build_backbone(architecture)
        load_supervised(root / config.supervised_weights, starts["supervised"])
    return starts


def _skipped(splits: dict[str, Manifest]) -> dict[str, str]:
    reasons = {}
    for name, images in splits.items():
        if len(images) == 0:
            reasons[name] = f"{name} has no images"
        elif not images.is_labelled:
            missing = images.table["label"].null_count
            reasons[name] = f"{missing:,} of the {len(images):,} images of {name} have no label"
    # Choosing an epoch needs validation.
    needed = reasons.get("train") or reasons.get("val")
    if needed:
        return {"results": needed}
    return {"test": reasons["test"]} if "test" in reasons else {}


def summary(report: dict[str, Any]) -> str:
    """Format the report as a table, in percent."""
    rows = [["", "val", "test", "best epoch"]]
    for name, result in report["results"].items():
        test = "-" if result["test"] is None else f"{100 * result['test']:.1f}"
        rows.append([name, f"{100 * result['val']:.1f}", test, str(result["best_epoch"])])
    lines = [aligned(rows)] if report["results"] else []
    return "\n".join([*lines, *(f"{what} skipped: {reason}" for what, reason in report["skipped"].items())])
