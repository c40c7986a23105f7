"""`dino-pipeline attend IMAGE|FOLDER --model MODEL --output DIR`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `attend` to the command line's subparsers."""
    parser = commands.add_parser(
        "attend",
        help="draw where a model looks in an image, or in every image of a folder",
        description="For each image a folder below DIR: attention of each head over the image, the patches that hold "
        "most of it, the principal components of the features as colours, and all of them side by side.",
    )
    parser.add_argument("images", type=Path, help="an image, or a folder of images")
    parser.add_argument(
        "--model",
        required=True,
        help="a model's folder or .safetensors file, a recipe, an MLflow run id, or name@alias or name/version",
    )
    parser.add_argument("--output", type=Path, required=True, dest="folder", help="the folder to write into")
    parser.add_argument(
        "--size", type=int, default=480, help="of the shorter side in px (480); more shows more"
    )
    parser.add_argument(
        "--threshold", type=float, default=0.6, help="share of the attention that a mask keeps (0.6)"
    )
    parser.add_argument(
        "--masks",
        nargs="?",
        const="mean",
        choices=("mean", "union", "heads"),
        help="also write a black and white PNG of each image's own size to DIR/masks, under the image's name: the "
        "patches that hold THRESHOLD of the heads' mean attention (mean, when no rule is given), of any head's "
        "(union), or a mask for each head in DIR/masks/head_N (heads)",
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_attend, output=None)


def _attend(options: argparse.Namespace) -> str:
    from dino_pipeline.inference.attend import attend

    drawn = list(
        attend(
            options.images,
            options.model,
            options.folder,
            size=options.size,
            mass=options.threshold,
            masks=options.masks,
            project=options.project,
        )
    )
    lines = [f"{one.image}: {one.overview or f'left out, {one.problem}'}" for one in drawn]
    if not any(one.overview for one in drawn):
        raise ValueError("\n".join([*lines, f"{options.images} holds no image that can be read"]))
    return "\n".join(lines) + "\n"
