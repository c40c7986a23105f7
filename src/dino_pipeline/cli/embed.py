"""`dino-pipeline embed FOLDER --model MODEL --output FILE.parquet`."""

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
    """Add `embed` to the command line's subparsers."""
    parser = commands.add_parser(
        "embed",
        help="write the embeddings of a folder of images to a Parquet file",
        description="Writes one row per image: path, sha256, embedding (float32, not normalised), the same numbers "
        "as the extract pipeline. FILE.left_out.csv lists the files that are not readable images.",
    )
    parser.add_argument(
        "images", type=Path, help="a folder of images, searched with its subfolders, an archive, or a list"
    )
    add_model(parser)
    parser.add_argument("--output", type=Path, required=True, help="the Parquet file to write")
    parser.add_argument(
        "--recipe", help="the recipe whose values of `extract` prepare the images (the model's)"
    )
    add_project(parser)
    parser.set_defaults(make=_embed)


def _embed(options: argparse.Namespace) -> Outcome:
    from dino_pipeline.inference.embed import embed_folder
    from dino_pipeline.inference.images import said_of_failures
    from dino_pipeline.workspace.typed_values import settings

    done = embed_folder(
        options.images,
        options.model,
        options.output,
        recipe=options.recipe,
        overrides=settings(options.set),
        project=project_if_any(options),
        say=say,
    )
    failures = said_of_failures(done.left_out, done.num_files)
    text = (
        f"{options.output}: {done.num_images:,} images, {done.num_dimensions} dimensions\n{done.left_out_file}: "
        f"{len(done.left_out):,} files are not readable images\n{failures}"
    )
    return Outcome(text, SOME_LEFT_OUT if failures else 0)
