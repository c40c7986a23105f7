"""`dino-pipeline attend IMAGE|FOLDER --model MODEL --output DIR`."""

import argparse
from pathlib import Path
from typing import Any

from dino_pipeline.cli.arguments import (
    SOME_LEFT_OUT,
    Outcome,
    add_model,
    add_project,
    project_if_any,
    say,
)


def add_command(commands: Any) -> None:
    """Add `attend` to the command line's subparsers."""
    parser = commands.add_parser(
        "attend",
        help="draw the attention of a model on an image, or on every image of a folder",
        description="Writes a folder below DIR for each image: the attention of each head, the patches that hold "
        "most of it, the principal components of the features as colours, and all of these side by side.",
    )
    parser.add_argument("images", type=Path, help="an image, a folder of images, an archive, or a list")
    add_model(parser)
    parser.add_argument("--output", type=Path, required=True, help="the folder to write into")
    parser.add_argument(
        "--size",
        type=int,
        default=480,
        help="length of the shorter side in px (480); larger shows more detail",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.6, help="share of the attention that a mask keeps (0.6)"
    )
    parser.add_argument(
        "--masks",
        nargs="?",
        const="mean",
        choices=("mean", "union", "heads"),
        help="also write a black and white PNG of each image's size to DIR/masks, with the image's name: the patches "
        "that hold THRESHOLD of the heads' mean attention (mean, the default), of any head's (union), or a mask "
        "for each head in DIR/masks/head_N (heads)",
    )
    add_project(parser)
    parser.set_defaults(make=_attend)


def _attend(options: argparse.Namespace) -> Outcome:
    from dino_pipeline.inference.attend import attend
    from dino_pipeline.inference.images import said_of_failures
    from dino_pipeline.workspace.typed_values import settings

    done = attend(
        options.images,
        options.model,
        options.output,
        size=options.size,
        mass=options.threshold,
        masks=options.masks,
        overrides=settings(options.set),
        project=project_if_any(options),
        say=say,
    )
    lines = [f"{image}: {overview}\n" for image, overview in done.overviews.items()]
    lines += [f"{file.name}: left out, {file.problem}\n" for file in done.left_out]
    if not done.overviews:
        raise ValueError("".join([*lines, f"{options.images} contains no readable image"]))
    failures = said_of_failures(done.left_out, done.num_files)
    return Outcome("".join([*lines, failures]), SOME_LEFT_OUT if failures else 0)
