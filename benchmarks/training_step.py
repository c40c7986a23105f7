"""Time a training step beside plain PyTorch and lightly: python benchmarks/training_step.py.

ViT-S/16, K = 65,536, 8 images of 2 x 224 and 8 x 96 px of random pixels: forward, loss, backward, clipping, AdamW
and the teacher's average. At equal precision, and against float32, which is what plain PyTorch runs in out of the box.
"""

from dataclasses import replace

import torch
from peers import lightly_dino
from peers.plain_dino import PlainDINO
from side_by_side import Floor, arguments, measure_products, not_comparable, operators, report, take_turns
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.recipes.reading import recipe_parameters

NUM_STEPS = 1000  # of the run whose schedules the steps take


class Ours:
    """The step that the trainer takes, with the recipe's schedules."""

    def __init__(self, config: PretrainConfig, precision: str) -> None:
        self.config = replace(config, precision=precision)
        self.state = TrainingState(self.config, torch.device("cpu"))

    def step(self, global_crops: Tensor, local_crops: Tensor) -> float:
        now = schedule_values(self.config, self.state.step, NUM_STEPS, steps_per_epoch=NUM_STEPS)
        return float(training_step(self.state, self.config, global_crops, local_crops, now).loss)


FLOORS = [
    Floor("ours bf16", "plain fp32", 3.6),
    Floor("ours bf16", "plain bf16", 1.15),
    Floor("ours bf16", "lightly bf16", 1.4),
    Floor("ours fp32", "plain fp32", 1.0),
    Floor("ours fp32", "lightly fp32", 1.0),
]


def main() -> None:
    """Measure and report."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=["fp32", "bf16"], help="this one alone (both)")
    options = parser.parse_args()
    torch.set_num_threads(options.num_threads)
    backbone, prototypes, batch = (
        ("vit_tiny_patch16_224", 256, 2) if options.tiny else ("vit_small_patch16_224", 65536, 8)
    )
    parameters = recipe_parameters("imagenet_vit_small")["pretrain"]
    config = from_dict(
        PretrainConfig,
        parameters
        | {
            "batch_size": batch,
            "backbone": {"name": backbone, "options": {}, "drop_path_rate": 0.0},
            "projection_head": parameters["projection_head"] | {"num_prototypes": prototypes},
            "multi_crop": parameters["multi_crop"] | {"num_local_crops": 8},
            "optimizer": parameters["optimizer"] | {"clip_gradient_norm": 3.0},
        },
    )
    generator = torch.Generator().manual_seed(0)
    crops = [torch.randn(n, batch, 3, side, side, generator=generator) for n, side in ((2, 224), (8, 96))]
    makers = {
        "ours": lambda p: Ours(config, p),
        "plain": lambda p: PlainDINO(backbone, prototypes, autocast=p == "bf16"),
        "lightly": lambda p: lightly_dino.LightlyDINO(backbone, prototypes, autocast=p == "bf16"),
    }
    skipped = not_comparable([f"{name} bf16" for name in makers])
    if lightly_dino.MISSING:
        del makers["lightly"]
        skipped["lightly"] = lightly_dino.MISSING
    networks = {
        f"{name} {precision}": make(precision)
        for precision in ([options.precision] if options.precision else ["fp32", "bf16"])
        for name, make in makers.items()
        if f"{name} {precision}" not in skipped
    }
    with FlopCounterMode(display=False) as counter:
        PlainDINO(backbone, prototypes, autocast=False).step(*crops)
    timings = take_turns(
        {name: lambda network=network: network.step(*crops) for name, network in networks.items()},
        options.num_rounds,
    )
    report(
        "training step",
        timings,
        FLOORS,
        options,
        work=f"{backbone}, K = {prototypes:,}, {batch} images of 2 x 224 + 8 x 96 px",
        skipped=skipped,
        # of the blocks' first linear layer, for all tokens of a step
        products=measure_products(
            (batch * (2 * 197 + 8 * 37), 384, 1536), counter.get_total_flops(), options.num_threads
        ),
        more={
            "operators": {
                name: operators(lambda network=network: network.step(*crops))
                for name, network in networks.items()
                if name.startswith("ours")
            },
            "seconds_an_image_by_cpu": {
                n: round(min(t.cpu for t in r) / batch, 4) for n, r in timings.items()
            },
        },
    )


if __name__ == "__main__":
    main()
