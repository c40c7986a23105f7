"""Time feature extraction by ViT-S/16 beside timm's plain loop: python benchmarks/extraction.py.

32 images of 224 px that lie in memory; ours in bfloat16 with the [CLS] token alone in the last block.
"""

import timm
import torch
from side_by_side import Floor, arguments, measure_products, not_comparable, operators, report, take_turns
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.recipes.reading import recipe_parameters

FLOORS = [
    Floor("ours bf16", "timm fp32", 3.6),
    Floor("ours bf16", "timm bf16", 1.08),
    Floor("ours fp32", "timm fp32", 1.0),
]


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(options.num_threads)
    num_images = 4 if options.tiny else 32
    parameters = recipe_parameters("imagenet_vit_small")
    config = from_dict(PretrainConfig, parameters["pretrain"])
    mean, std = config.statistics
    transform = EvaluationTransformConfig(
        resize=256, crop=224, images=ImagesConfig(channels=3, bits=8), mean=mean, std=std
    )
    images = torch.randint(
        256, (num_images, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    shape = [torch.tensor(v).view(1, -1, 1, 1) for v in (mean, std)]
    plain = timm.create_model(config.backbone.name, num_classes=0).eval()

    @torch.inference_mode()
    def by_timm(half: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            features: Tensor = plain((images.float() / 255 - shape[0]) / shape[1])
        return features.float()

    def ours(precision: str) -> torch.nn.Module:
        extract = from_dict(
            ExtractConfig,
            parameters["extract"] | {"precision": precision, "num_last_blocks": 1, "average_patches": False},
        )
        return backbone_features(
            build_backbone(config.network), transform, extract, device=torch.device("cpu")
        )

    functions = {precision: ours(precision) for precision in ("fp32", "bf16")}
    competitors = {
        "timm fp32": lambda: by_timm(False),
        "timm bf16": lambda: by_timm(True),
        **{f"ours {p}": torch.inference_mode()(lambda f=f: f(images)) for p, f in functions.items()},
    }
    skipped = not_comparable(competitors)
    with FlopCounterMode(display=False) as counter:
        competitors["timm fp32"]()
    report(
        "feature extraction",
        take_turns(
            {name: call for name, call in competitors.items() if name not in skipped}, options.num_rounds
        ),
        FLOORS,
        options,
        work=f"ViT-S/16, {num_images} images of 224 px in memory",
        skipped=skipped,
        # of the blocks' first linear layer
        products=measure_products(
            (num_images * 197, 384, 1536), counter.get_total_flops(), options.num_threads
        ),
        more={
            "operators": {
                name: operators(call)
                for name, call in competitors.items()
                if name.startswith("ours") and name not in skipped
            }
        },
    )


if __name__ == "__main__":
    main()
