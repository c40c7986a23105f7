"""Check a recipe: build it, take two small steps, and compute the cost of its training."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple


class RecipeCheck(NamedTuple):
    """A row of the table; `None` where the number of images is unknown."""

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


def check(recipe: str, *, conf: Path | None = None) -> RecipeCheck:
    """Build a recipe in full without memory, and take two real steps of a small version.

    Args:
        recipe: a folder of conf/. The current folder holds a loss of the user's own.
        conf: a project's folder of recipes; by default those of this package.

    Raises:
        ValueError: a value is wrong, or a loss is not finite.
    """
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.core.pretrain_config import PretrainConfig
    from dino_pipeline.ingestion.config import IngestConfig
    from dino_pipeline.ingestion.data_set import known_num_train_images
    from dino_pipeline.recipes.cost import V100_FLOPS, training_cost
    from dino_pipeline.recipes.reading import recipe_parameters

    parameters = recipe_parameters(recipe, conf=conf)
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
    """A small configuration of the same kind: a narrow ViT of two blocks on small crops, few prototypes, float32."""
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
        # A frozen teacher's output keeps its width.
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

    from dino_pipeline.dino.core.schedules import schedule_values
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
                schedule_values(config, step, 100, steps_per_epoch=10),
                torch.arange(4),
            ).loss
        )
        for step in range(2)
    )
    if not all(map(torch.isfinite, torch.tensor([first, second]))):
        raise ValueError(f"the loss is {first}, then {second}")
    return first, second
