"""Gather the content of the page from the outputs of the earlier pipelines."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.metrics.collapse import Settings
from dino_pipeline.dino.training.history import HISTORY, PREDICTION, TIMING, numbers, read_rows
from dino_pipeline.dino.weights.published import (
    PublishedModel,
    evaluation_transform,
    load_backbone,
    read_model,
)
from dino_pipeline.plotting.panels import panels, spread
from dino_pipeline.plotting.pixels import jpeg_data_uri
from dino_pipeline.report.config import ReportConfig
from dino_pipeline.report.curves import schedule_charts, timing_charts, training_charts
from dino_pipeline.report.page import Content, DataSection, FactRows, RunSection
from dino_pipeline.report.pictures import Picture, first_views, nearest
from dino_pipeline.report.tables import (
    SPLIT_NAMES,
    accuracy_bars,
    costs_table,
    measures_table,
    parameter_differences,
    sizes_table,
    splits_table,
)
from dino_pipeline.report.verdict import verdict
from dino_pipeline.tracking.git_info import commit_in_words, origin_tags


def gather(
    images: Manifest,
    refused: Sequence[tuple[str, str, str]],
    summary: Mapping[str, Any],
    model: Path,
    features: Features,
    metrics: Mapping[str, Any],
    *,
    base: Mapping[str, Any],
    recipe: Mapping[str, Any],
    config: ReportConfig,
) -> Content:
    """Gather the whole page, except the part about one run on one machine.

    Args:
        images: the whole manifest.
        refused: path, member and reason of each file in quarantine.
        summary: the summary of ingestion.
        model: the published model's folder.
        features: the teacher's features of all images.
        metrics: the measures of evaluation.
        base: training parameters of conf/base.
        recipe: training parameters of the model's recipe.
        config: what to show.
    """
    published, backbone = read_model(model), load_backbone(model)
    history = [numbers(row) for row in read_rows(model / HISTORY)] if (model / HISTORY).is_file() else []
    was_trained_here = published.imported is None
    training = Settings.of(published.config) if was_trained_here else None
    judged_on = "test" if metrics["num_images"]["test"] else "val"
    held_out = "val" if len(images.split("val")) else "test"
    bars = accuracy_bars(metrics, judged_on, config.num_neighbors)
    return Content(
        recipe=published.recipe,
        facts=_facts(published, backbone, images, history),
        verdict=verdict(
            metrics,
            history,
            training=training,
            was_trained_here=was_trained_here,
            num_neighbors=config.num_neighbors,
        ),
        judged_on=SPLIT_NAMES[judged_on],
        bars=bars,
        chance=1 / metrics["num_classes"] if bars else None,
        measures=measures_table(metrics, config.num_neighbors),
        notes=[f"{measure}: {reason}" for measure, reason in metrics["skipped"].items()] + metrics["notes"],
        training=training_charts(history, num_prototypes=training.num_prototypes if training else None)
        if was_trained_here
        else [],
        schedules=schedule_charts(history) if was_trained_here else [],
        views=first_views(
            spread(images.split("train"), config.num_view_images),
            published.config,
            thumbnail_size=config.thumbnail_size,
        )
        if was_trained_here
        else [],
        shows_components=not backbone.is_vit,
        attention=_attention(backbone, images.split(held_out), published, config),
        held_out=SPLIT_NAMES[held_out],
        queries=nearest(
            features,
            images,
            held_out,
            config.neighbors,
            read_as=from_dict(ImagesConfig, published.config["images"]),
            thumbnail_size=config.thumbnail_size,
        ),
        data=_data(images, refused, summary, config.max_rows),
        lineage=[
            ("fingerprint", published.fingerprint),
            ("recipe", published.recipe),
            ("data (sha256)", published.data_digest),
        ],
        differences=parameter_differences(published.config, base=base, recipe=recipe)
        if was_trained_here
        else [],
    )


def run_section(run: Mapping[str, str], project_folder: Path, progress: Path, model: Path) -> RunSection:
    """Facts of the run, the commit that makes the page, and curves if this machine trained the model.

    Args:
        run: facts of the model's run; empty if MLflow's store does not answer.
        project_folder: its commit is named.
        progress: the folder of this training's progress, which may not exist here.
        model: the published model's folder.
    """
    timing, prediction = progress / TIMING, progress / PREDICTION
    rows = [numbers(row) for row in read_rows(timing)] if timing.is_file() else []
    return RunSection(
        facts=[*run.items(), ("commit of this page", commit_in_words(origin_tags(project_folder)))],
        timing=timing_charts(rows) if rows else [],
        costs=costs_table(json.loads(prediction.read_text()), rows, disk_bytes=_disk_bytes(progress, model))
        if rows and prediction.is_file()
        else None,
    )


def _disk_bytes(*folders: Path) -> int:
    """Bytes of the files. A hard link takes none."""
    files = [file.stat() for folder in folders for file in folder.rglob("*") if file.is_file()]
    return sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values())


def _facts(
    published: PublishedModel, backbone: Backbone, images: Manifest, history: Sequence[Mapping[str, float]]
) -> FactRows:
    config = published.config
    num_parameters = sum(parameter.numel() for parameter in backbone.parameters())
    known = [
        ("backbone", f"{config['backbone']['name']}, {num_parameters / 1e6:.2f} million parameters"),
        ("features", f"{backbone.num_features} dimensions"),
    ]
    if published.imported:
        source, kind = published.imported["source"], published.imported["kind"]
        return [*known, ("imported from", source), ("which is", kind)]
    crops = config["multi_crop"]
    # From the history, since a budget in hours may end before the configured epochs.
    epochs = history[-1]["epoch"] if history else config["epochs"]
    facts = [
        *known,
        ("trained on", f"{len(images.split('train')):,} images, labels unused"),
        ("for", f"{epochs:.3g} epochs in batches of {config['batch_size']}"),
        (
            "views",
            f"2 of {crops['global_crop_size']} px, {crops['num_local_crops']} of {crops['local_crop_size']} px",
        ),
    ]
    if history:
        facts.append(("images seen", f"{history[-1]['images_seen']:,.0f}"))
    return facts


def _attention(
    backbone: Backbone, images: Manifest, published: PublishedModel, config: ReportConfig
) -> list[tuple[str, list[tuple[str, Picture]]]]:
    if not len(images):
        return []
    shown = spread(images, config.attention.num_images)
    size = config.attention.image_size
    transform = evaluation_transform(published, resize=size, crop=size)
    rows = panels(backbone, shown, image_size=size, transform=transform)
    return [
        (
            label or "",
            [
                (title, Picture(source=jpeg_data_uri(pixels), text=f"{label or 'image'}: {title}", width=112))
                for title, pixels in row
            ],
        )
        for label, row in zip(shown.labels, rows, strict=True)
    ]


def _data(
    images: Manifest, refused: Sequence[tuple[str, str, str]], summary: Mapping[str, Any], max_rows: int
) -> DataSection:
    classes = Counter(label for label in images.labels if label is not None).most_common()
    files = [(f"{path}:{member}" if member else path, reason) for path, member, reason in refused]
    return DataSection(
        splits=splits_table(summary),
        sizes=sizes_table(summary),
        classes=classes[:max_rows],
        num_further_classes=max(0, len(classes) - max_rows),
        duplicates=dict(summary["held_out_images_also_in_train"]),
        quarantined=sorted(summary["quarantined"].items()),
        refused=files[:max_rows],
        num_further_refused=max(0, len(files) - max_rows),
    )
