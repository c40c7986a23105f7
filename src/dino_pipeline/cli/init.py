"""`dino-pipeline init PATH --images DIR`."""

import argparse
import shlex
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `init` to the command line's subparsers."""
    parser = commands.add_parser(
        "init",
        help="write a recipe for your own images, with a comment on each choice",
        description="Measures a set of images and writes a recipe for it into PATH/conf. PATH is a checkout of "
        "dino_pipeline, or becomes a small project. Then run there: kedro run --env=NAME",
    )
    parser.add_argument("path", type=Path, help="the project's folder")
    parser.add_argument("--images", required=True, help="a folder, an archive, a list, torchvision:<name>")
    parser.add_argument(
        "--name",
        help="name of the recipe: a letter, then letters, digits, _, - and . (the images' name)",
    )
    parser.add_argument(
        "--hours", type=float, help="hours that a whole kedro run may take (1 on CPU, 24 on GPUs)"
    )
    parser.add_argument(
        "--download", action="store_true", help="download a torchvision:<name> that is missing"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of ingest, such as ingest.splits.seg_test=test; may be repeated",
    )
    parser.set_defaults(make=_init)


def _init(options: argparse.Namespace) -> str:
    from dino_pipeline.recipes.init.write import init_recipe
    from dino_pipeline.workspace.typed_values import settings

    values = settings(options.set)
    if not set(values) <= {"ingest"}:
        raise ValueError("init --set takes parameters of ingest, such as ingest.splits.seg_test=test")
    written = init_recipe(
        options.path,
        options.images,
        name=options.name,
        hours=options.hours,
        download=options.download,
        ingest=values.get("ingest"),
    )
    lines = [written.summary, *(f"Note: {warning}" for warning in written.warnings)]
    folder = options.path.resolve()
    is_here = folder == Path.cwd()
    in_git = any((one / ".git").exists() for one in (folder, *folder.parents))
    return "\n".join(
        [
            *lines,
            f"Wrote {written.folder}. Next:",
            *([] if is_here else [f"  cd {shlex.quote(str(options.path))}"]),
            *(
                []
                if in_git
                else [
                    "  git init && git add -A && git commit -m project    (a model needs it to be promoted)"
                ]
            ),
            f"  kedro run --env={written.folder.name}",
            "",
        ]
    )
