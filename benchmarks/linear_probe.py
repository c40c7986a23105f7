"""Time the linear probe of 13 learning rates beside 13 runs of it: python benchmarks/linear_probe.py.

End to end, from image files: two epochs of fresh random crops of windows of photographs, through a ViT-S/16.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from side_by_side import Floor, arguments, report, take_turns
from tiles import tiles_of_photographs

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.training import train_linear_probes
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.recipes.reading import recipe_parameters

RATES = tuple(10.0**exponent for exponent in torch.linspace(-5, 0, 13).tolist())
FLOORS = [Floor("13 rates at once", "13 runs", 10.0)]


def main() -> None:
    """Measure and report."""
    parser = arguments(__doc__, num_rounds=3)
    parser.add_argument("--num-images", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(options.num_threads)
    num_images, crop = (8, 32) if options.tiny else (options.num_images, 224)
    parameters = recipe_parameters("imagenet_vit_small")
    pretrain = from_dict(PretrainConfig, parameters["pretrain"])
    mean, std = pretrain.statistics
    transform = EvaluationTransformConfig(
        resize=crop, crop=crop, images=ImagesConfig(channels=3, bits=8), mean=mean, std=std
    )
    precision = "bf16" if multiplies_bfloat16("cpu") else "fp32"
    extract = from_dict(ExtractConfig, parameters["extract"] | {"precision": precision})
    device = torch.device("cpu")
    function = backbone_features(build_backbone(pretrain.network), transform, extract, device=device)
    with torch.inference_mode():
        sample = function(torch.zeros(1, 3, crop, crop, dtype=torch.uint8))
    width = (sample.embedding if sample.linear is None else sample.linear).shape[1]
    config = replace(
        from_dict(LinearProbeConfig, parameters["probe"]),
        learning_rates=RATES,
        epochs=2,
        batch_size=num_images,
    )
    with tempfile.TemporaryDirectory() as folder:
        train = tiles_of_photographs(Path(folder), num_images=num_images, side=crop)

        def probe(*rates: float) -> None:
            train_linear_probes(
                train,
                {"teacher": function},
                {"teacher": (torch.zeros(width), torch.ones(()))},
                transform,
                replace(config, learning_rates=rates),
                num_workers=0,
                device=device,
            )

        def one_after_another() -> None:
            for rate in RATES:
                probe(rate)

        timings = take_turns(
            {"13 rates at once": lambda: probe(*RATES), "13 runs": one_after_another}, options.num_rounds
        )
    report(
        "linear probe",
        timings,
        FLOORS,
        options,
        work=f"2 epochs of {num_images} image files, crops of {crop} px, ViT-S/16 in {precision}, 13 learning rates",
    )


if __name__ == "__main__":
    main()
