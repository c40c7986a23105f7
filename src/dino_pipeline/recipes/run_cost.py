"""The cost of a recipe before anything starts: what `dino-pipeline cost` and `kedro run --tags=dry_run` print."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from dino_pipeline.dino.core.data.manifest import READ_ERRORS, Manifest, read_manifest
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.ingestion.data_set import known_images
from dino_pipeline.ingestion.listing import MANIFEST
from dino_pipeline.recipes.cost import training_cost
from dino_pipeline.recipes.init.measurement import measure
from dino_pipeline.recipes.prediction import ImageCounts, StageCost, predict_run, steps, table
from dino_pipeline.recipes.speed import RunConfig, measure_speed

_SAMPLE = 16
_PHOTOGRAPH = (500, 375)  # px, ImageNet's mean size


def recipe_cost(
    config: RunConfig,
    *,
    recipe: str,
    project_folder: Path,
    price_per_hour: float | None,
    num_images: int | None = None,
) -> str:
    """Measure this machine for some seconds, and predict the cost of a whole run. It starts and changes nothing.

    Args:
        config: the recipe's parameters.
        project_folder: holds data/ and a loss of the user's own.
        price_per_hour: of this machine; None: no prices.
        num_images: train images to assume; None: those of the manifest, of a known data set, or of the source.

    Raises:
        ValueError: the images cannot be counted here.
    """
    counts, sample, origin = _images(config, recipe, project_folder, num_images)
    speed = measure_speed(config, sample, root=project_folder)
    cost = training_cost(config.pretrain, root=project_folder)
    stages: list[StageCost] = predict_run(config, counts, speed, cost)
    on_gpu = compute.device().type == "cuda"
    classes = f"{counts.num_classes:,} classes" if counts.num_classes else "no labels"
    return "\n".join(
        [
            f"Predicted for {recipe} on this machine: {counts.num_train:,} train images and "
            f"{counts.num_held_out:,} held out, {classes} ({origin}).",
            table(stages, on_gpu=on_gpu, price_per_hour=price_per_hour),
            f"Times are predictions from some steps of each stage, measured just now. The training has "
            f"{steps(config.pretrain, counts.num_train):,} steps; memory is counted from its networks.",
        ]
    )


def _images(
    config: RunConfig, recipe: str, project_folder: Path, num_train: int | None
) -> tuple[ImageCounts, list[bytes], str]:
    """The number of images, a sample of them or of noise, and where the number comes from."""
    ingest = config.ingest
    file = project_folder / MANIFEST.format(recipe=recipe)
    if num_train is not None:
        share = ingest.validation_fraction + ingest.test_fraction
        held_out = round(num_train * share / (1 - share)) if share < 1 else 0
        return ImageCounts(num_train, held_out, 1000), [_noise(config)], "as asked for, labelled"
    if file.is_file():
        images = read_manifest(file, project_folder)
        return _counted(images), _sample(images) or [_noise(config)], "counted in the manifest"
    known = known_images(ingest)
    if known:
        return ImageCounts(*known), [_noise(config)], "as known of this data set; sizes are assumed"
    if not ingest.sources:
        raise ValueError(f"{recipe} names no images: set ingest.source, or give their number by --images=N")
    found, sample = measure(
        ingest,
        project_folder=project_folder,
        raw_folder=project_folder / "data" / "01_raw",
        cache_folder=project_folder / "data" / "02_intermediate" / recipe,
    )
    usable = found.num_files * (1 - found.unusable_share)
    shares = [
        0.0 if split in found.splits else fraction
        for split, fraction in (("val", ingest.validation_fraction), ("test", ingest.test_fraction))
    ]
    carved = min(round(found.num_images * (1 - sum(shares))), ingest.max_train_images or found.num_images)
    return (
        ImageCounts(carved, round(usable - found.num_images * (1 - sum(shares))), found.num_classes),
        sample,
        "estimated from the source's files",
    )


def _counted(images: Manifest) -> ImageCounts:
    train = images.split("train")
    num_classes = len(train.class_names) if train.is_labelled else 0
    return ImageCounts(len(train), len(images) - len(train), num_classes)


def _sample(images: Manifest) -> list[bytes]:
    sample = []
    for position in evenly_spaced(len(images), min(_SAMPLE, len(images))):
        with suppress(*READ_ERRORS):
            sample.append(images.read_bytes(int(position)))
    return sample


def _noise(config: RunConfig) -> bytes:
    """A JPEG of smooth noise: as large as ImageNet's photographs, or as the crops where these are small."""
    images, size = config.pretrain.images, config.extract.resize
    width, height = _PHOTOGRAPH if size >= 128 else (size, size)
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    if images.channels in (1, 3) and images.bits == 8:
        image.convert("L" if images.channels == 1 else "RGB").save(file, "JPEG", quality=90)
        return file.getvalue()
    raise ValueError(
        f"images of {images.channels} channels and {images.bits} bits are not at hand: run ingest first "
        "(kedro run --pipeline=ingest, with the --env of the recipe)"
    )
