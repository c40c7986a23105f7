"""Turn a folder of images into a recipe that runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.weights.older_files import completed
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.data_set import named_after
from dino_pipeline.ingestion.sources.registry import NAMED
from dino_pipeline.recipes.hardware import find_hardware
from dino_pipeline.recipes.init.architecture import architecture
from dino_pipeline.recipes.init.choices import data_choices, evaluation, schedule, warnings
from dino_pipeline.recipes.init.length import fitted_length
from dino_pipeline.recipes.init.measurement import measure
from dino_pipeline.recipes.init.project import prepare_project
from dino_pipeline.recipes.prediction import ImageCounts
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.recipes.speed import RunConfig, measure_speed
from dino_pipeline.recipes.writing import Choice, write_recipe
from dino_pipeline.workspace.names import check_recipe_name, recipe_name_from
from dino_pipeline.workspace.overlays import overlaid
from dino_pipeline.workspace.parameter_errors import group_errors
from dino_pipeline.workspace.yaml_files import read_mapping


class Written(NamedTuple):
    """The path of the recipe, the measurement, and what to expect."""

    folder: Path
    summary: str
    warnings: list[str]


def init_recipe(
    project: Path,
    images: str,
    *,
    name: str | None,
    hours: float | None,
    download: bool,
    ingest: Mapping[str, Any] | None = None,
) -> Written:
    """Measure `images`, make `project` a project where it is none, and write conf/<name> into it.

    Args:
        project: the project's folder.
        images: a source as in `ingest.source`; a path starts at the current folder.
        name: name of the recipe; None: the images' own name.
        hours: hours of a whole `kedro run`; None: 1 on CPU, 24 on GPUs.
        ingest: parameters of `ingest` to use and to write, such as splits.
        download: whether torchvision may fetch a named data set, into the project's data/01_raw/torchvision.

    Raises:
        ValueError: the images or the project are not usable, or such a recipe exists already.
    """
    name = recipe_name_from(named_after(images)) if name is None else check_recipe_name(name)
    folder = project / "conf" / name
    if folder.exists():
        raise ValueError(f"{folder} already exists: give another name with --name, or remove it.")
    if not images.startswith(tuple(NAMED)):
        images = str(Path(images).expanduser().resolve())
    hardware = find_hardware()
    hours = hours or (24.0 if hardware.num_gpus else 1.0)

    prepare_project(project, recipe=name)
    base = project / "conf" / "base"
    values = completed(read_mapping(base / "parameters_ingest.yml"))["ingest"] | (ingest or {})
    if lines := group_errors("ingest", IngestConfig, values):
        raise ValueError("; ".join(lines))
    config = from_dict(IngestConfig, values)
    data, sample = measure(
        replace(config, source=images, torchvision=replace(config.torchvision, download=download)),
        project_folder=project.resolve(),
        raw_folder=project.resolve() / "data" / "01_raw",
        cache_folder=project.resolve() / "data" / "02_intermediate" / name,
    )
    data_part = data_choices(images, data, hardware)
    given = [Choice(f"ingest.{key}", value, "Given to `init`.") for key, value in (ingest or {}).items()]
    data_part = [*(one for one in data_part if one.key not in {choice.key for choice in given}), *given]
    held_out = sum(
        c.value for c in data_part if c.key in ("ingest.validation_fraction", "ingest.test_fraction")
    )
    num_usable = round(data.num_files * (1 - data.unusable_share))
    data = replace(data, num_images=max(1, round(data.num_images * (1 - held_out))))
    parts = [*architecture(data, hardware), *evaluation(data, hardware)]
    parameters = recipe_parameters("base", conf=project / "conf")
    run = RunConfig.of(overlaid(parameters, {choice.key: choice.value for choice in [*data_part, *parts]}))
    counts = ImageCounts(data.num_images, max(0, num_usable - data.num_images), data.num_classes)
    length = fitted_length(run, counts, measure_speed(run, sample), hours=hours)

    where = (
        f"{hardware.num_gpus} GPU(s)" if hardware.num_gpus else f"{hardware.num_cores} CPU core(s), no GPU"
    )
    form = data.images
    if (form.channels, form.bits) == (3, 8):
        colours = "all grey" if data.is_grey else "in colour"
    else:
        colours = f"{form.channels} channel(s) of {form.bits} bits"
    summary = (
        f"{data.num_files:,} files, about {data.num_images:,} images to train on, shorter sides "
        f"of {data.sides[0]} to {data.sides[1]} px (median {data.shorter_side}), {colours}, "
        f"{data.num_classes} classes; {where}."
    )
    said = warnings(data, length)
    heading = f"Written by `dino-pipeline init`. {summary} " + " ".join(
        f"Note: {warning}" for warning in said
    )
    write_recipe(
        folder,
        [*data_part, *parts, *schedule(data, hardware, length, batch=run.pretrain.batch_size)],
        heading=heading.strip(),
    )
    return Written(folder, summary, said)
