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
    from dino_pipeline.inference.embed import embed_folder

    done = embed_folder(
        options.images, options.model, options.file, recipe=options.recipe, project=options.project
    )
    return (
        f"{options.file}: {done.num_images:,} images, {done.num_dimensions} dimensions\n"
        f"{done.left_out_file}: {done.num_left_out:,} files are no image that can be read\n"
    )
