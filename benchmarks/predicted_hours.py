"""Predict what the ImageNet recipes take on 1, 8 and 64 GPUs: python benchmarks/predicted_hours.py.

hours = images * epochs * FLOPs an image / (GPUs * peak * MFU), FLOPs counted (training_cost.py), nothing measured. Peak
and MFU are assumptions, by options; loading, evaluation and what GPUs wait for one another are not in it.
"""

import argparse
import sys

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.data_set import known_num_train_images
from dino_pipeline.recipes.cost import training_cost
from dino_pipeline.recipes.reading import conf_folder, recipe_names, recipe_parameters

NUM_GPUS = (1, 8, 64)


def training_flops(recipe: str) -> float:
    """Of a whole training."""
    parameters = recipe_parameters(recipe)
    config = from_dict(PretrainConfig, parameters["pretrain"])
    num_images = known_num_train_images(from_dict(IngestConfig, parameters["ingest"]))
    steps = config.epochs * (num_images // config.batch_size)
    return steps * config.batch_size * training_cost(config).flops_per_image


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peak", type=float, default=989e12, help="FLOP/s of a GPU, dense, in bfloat16")
    parser.add_argument("--mfu", type=float, default=0.23, help="share of the peak that training reaches")
    parser.add_argument("--price", type=float, default=3.0, help="of a GPU hour")
    options = parser.parse_args()
    sys.stdout.write(
        "| recipe | EFLOP | "
        + " | ".join(f"hours on {n}" for n in NUM_GPUS)
        + f" | cost at {options.price:g} per GPU hour |\n|---|---|{'---|' * (len(NUM_GPUS) + 1)}\n"
    )
    for recipe in recipe_names(conf_folder()):
        if not recipe.startswith("imagenet_"):
            continue
        flops = training_flops(recipe)
        gpu_hours = flops / (options.peak * options.mfu) / 3600
        hours = " | ".join(f"{gpu_hours / n:,.1f}" for n in NUM_GPUS)
        sys.stdout.write(
            f"| `{recipe}` | {flops / 1e18:,.0f} | {hours} | {gpu_hours * options.price:,.0f} |\n"
        )


if __name__ == "__main__":
    main()
