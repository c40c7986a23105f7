"""`dino-pipeline embed FOLDER --model MODEL --output FILE.parquet`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `embed` to the command line's subparsers."""
    parser = commands.add_parser(
        "embed",
        help="write the embeddings of a folder of images to a Parquet file",
        description="One row an image: path, sha256, embedding (float32, not normalised), the numbers that the "
        "extract pipeline stores. Files that are no whole image are listed in FILE.left_out.csv.",
    )
    parser.add_argument("images", type=Path, help="a folder of images, searched with its folders")
    parser.add_argument(
        "--model",
        required=True,
        help="a model's folder or .safetensors file, a recipe, an MLflow run id, or name@alias or name/version",
    )
    parser.add_argument("--output", type=Path, required=True, dest="file", help="the Parquet file to write")
    parser.add_argument(
        "--recipe", help="the recipe whose values of `extract` prepare the images (that of the model)"
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_embed, output=None)


def _embed(options: argparse.Namespace) -> str:
    from kedro.config import MissingConfigException

    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.config import ExtractConfig
    from dino_pipeline.dino.evaluation.extraction import backbone_features
    from dino_pipeline.dino.weights.published import evaluation_transform, load_backbone, read_model
    from dino_pipeline.inference.embedding import embed_files
    from dino_pipeline.ingestion.sources.folder import list_folder
    from dino_pipeline.model_registry.model_lookup import find_weights
    from dino_pipeline.recipes.reading import recipe_parameters

    file: Path = options.file
    if not options.images.is_dir():
        raise ValueError(f"{options.images} is no folder")
    if file.exists():
        raise ValueError(f"{file} exists: remove it, or name another file")
    weights = find_weights(options.model, options.project.resolve())
    published = read_model(weights.folder)
    try:
        parameters = recipe_parameters(options.recipe or published.recipe)
    except MissingConfigException as error:
        raise ValueError(
            f"{error} Name one by --recipe, whose values of `extract` suit the model."
        ) from error
    config = from_dict(ExtractConfig, parameters["extract"])
    transform = evaluation_transform(published, resize=config.resize, crop=config.crop)
    backbone = load_backbone(weights.folder, weights.network)
    left_out = file.with_suffix(".left_out.csv")
    device = compute.device()
    with compute.fixed_threads(config.num_threads):
        done = embed_files(
            list_folder(options.images).files,
            backbone_features(backbone, transform, config, device=device),
            transform,
            config,
            file,
            left_out,
            num_dimensions=backbone.num_features,
            max_pixels=parameters["ingest"]["max_pixels"],
            metadata={
                "fingerprint": published.fingerprint,
                "network": weights.network,
                "resize": str(config.resize),
                "crop": str(config.crop),
            },
            device=device,
        )
    return (
        f"{file}: {done.num_images:,} images, {backbone.num_features} dimensions\n"
        f"{left_out}: {done.num_left_out:,} files are no image that can be read\n"
    )
