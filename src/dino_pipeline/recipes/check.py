"""`dino-pipeline check-recipes`: every recipe is built, steps twice in a small size, and tells what it would cost."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple


class RecipeCheck(NamedTuple):
    """A row of the table; `None` where the number of images is not known."""

    recipe: str
    backbone: str
    million_parameters: float
    head_million_parameters: float
    gflops_per_image: float
    gpus: int
    memory_gb: float
    num_steps: int | None
    v100_hours: float | None
    losses: tuple[float, float]


def add_command(commands: Any) -> None:
    """Add `check-recipes` to the command line's subparsers."""
    parser = commands.add_parser(
        "check-recipes",
        help="build every recipe, take two small real steps of each, and print what it costs",
        description="Parameters; FLOPs of an image (all crops, teacher and student, forward and backward); memory "
        "of each GPU, with 64 images on one; hours of one V100, at the rate of the paper's table 8.",
    )
    parser.add_argument("recipes", nargs="*", help="folders of conf/ (all)")
    parser.set_defaults(make=_check, output=None)


def check(recipe: str) -> RecipeCheck:
    """Build a recipe in full without memory, and take two real steps of it in a small size.

    Raises:
        ValueError: a value is wrong, or a loss is not finite.
    """
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.core.pretrain_config import PretrainConfig
    from dino_pipeline.ingestion.config import IngestConfig
    from dino_pipeline.ingestion.data_set import known_num_train_images
    from dino_pipeline.recipes.cost import V100_FLOPS, training_cost
    from dino_pipeline.recipes.reading import recipe_parameters

    parameters = recipe_parameters(recipe)
    config = from_dict(PretrainConfig, parameters["pretrain"])
    ingest = from_dict(IngestConfig, parameters["ingest"])
    cost = training_cost(config)
    num_images = known_num_train_images(ingest)
    gpus = max(1, config.batch_size // 64)
    steps = config.epochs * (num_images // config.batch_size) if num_images else None
    hours = steps * config.batch_size * cost.flops_per_image / V100_FLOPS / 3600 if steps else None
    return RecipeCheck(
        recipe=recipe,
        backbone=config.backbone.name,
        million_parameters=cost.backbone_parameters / 1e6,
        head_million_parameters=cost.head_parameters / 1e6,
        gflops_per_image=cost.flops_per_image / 1e9,
        gpus=gpus,
        memory_gb=cost.memory_bytes(-(-config.batch_size // gpus)) / 1e9,
        num_steps=steps,
        v100_hours=hours,
        losses=_two_steps(shrunken(config)),
    )


def shrunken(config: Any) -> Any:
    """The same kinds of parts, small: a narrow ViT of two blocks on small crops, few prototypes, float32."""
    options = dict(config.backbone.options)
    patch, heads = options.get("patch_size"), options.get("num_heads")
    if isinstance(patch, int) and isinstance(heads, int):
        options |= {"img_size": 4 * patch, "embed_dim": 16 * heads, "depth": 2}
        sizes = 4 * patch, 2 * patch
    else:
        sizes = 64, 32
    crops = replace(config.multi_crop, global_crop_size=sizes[0], local_crop_size=sizes[1])
    head = config.projection_head
    head = replace(
        head,
        num_prototypes=64 if head.num_prototypes else None,
        hidden_dim=32,
        # A frozen teacher's answer keeps its width.
        bottleneck_dim=head.bottleneck_dim if config.frozen_teacher or not head.bottleneck_dim else 16,
    )
    return replace(
        config,
        batch_size=4,
        accumulation_steps=1,
        precision="fp32",
        backbone=replace(config.backbone, options=options),
        projection_head=head,
        multi_crop=crops,
    )


def _two_steps(config: Any) -> tuple[float, float]:
    import torch

    from dino_pipeline.dino.core.scheduled import scheduled_values
    from dino_pipeline.dino.core.state import TrainingState
    from dino_pipeline.dino.core.step import training_step

    state = TrainingState(config, torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    crops = config.multi_crop
    channels = config.images.channels
    globals_ = torch.randn(2, 4, channels, crops.global_crop_size, crops.global_crop_size, generator=random)
    locals_ = torch.randn(
        crops.num_local_crops, 4, channels, crops.local_crop_size, crops.local_crop_size, generator=random
    )
    first, second = (
        float(
            training_step(
                state,
                config,
                globals_,
                locals_,
                scheduled_values(config, step, 100, steps_per_epoch=10),
                torch.arange(4),
            ).loss
        )
        for step in range(2)
    )
    if not all(map(torch.isfinite, torch.tensor([first, second]))):
        raise ValueError(f"the loss is {first}, then {second}")
    return first, second


def _check(options: argparse.Namespace) -> str:
    from kedro.config import MissingConfigException

    from dino_pipeline.recipes.reading import conf_folder, recipe_names

    try:
        rows = [check(recipe) for recipe in options.recipes or recipe_names(conf_folder())]
    except MissingConfigException as error:
        raise ValueError(str(error)) from error
    return "\n".join(_table(rows)) + "\n"


def _table(rows: list[RecipeCheck]) -> Iterator[str]:
    yield (
        f"{'recipe':30}{'backbone':24}{'M params':>9}{'+ head':>8}{'GFLOP/image':>13}{'GPUs':>6}{'GB each':>9}"
        f"{'steps':>10}{'V100 hours':>12}   two small steps: loss"
    )
    for row in rows:
        steps = f"{row.num_steps:,}" if row.num_steps else "-"
        hours = (
            f"{row.v100_hours:,.0f}"
            if row.v100_hours and row.v100_hours >= 1
            else "below 1"
            if row.v100_hours
            else "-"
        )
        yield (
            f"{row.recipe:30}{row.backbone:24}{row.million_parameters:9.1f}{row.head_million_parameters:8.1f}"
            f"{row.gflops_per_image:13.2f}{row.gpus:6}{row.memory_gb:9.1f}{steps:>10}{hours:>12}"
            f"   {row.losses[0]:.3f}, {row.losses[1]:.3f}"
        )
