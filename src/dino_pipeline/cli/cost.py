"""`dino-pipeline cost [RECIPE]`: predict time, memory, disk and price of a run, stage by stage."""

import argparse
from pathlib import Path
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_if_any


def add_command(commands: Any) -> None:
    """Add `cost` to the command line's subparsers."""
    parser = commands.add_parser(
        "cost",
        help="predict what a recipe's run costs on this machine, before anything starts",
        description="Measure this machine for some seconds and print, stage by stage, predicted time, memory of a "
        "GPU or process, disk, and price. kedro run --env=RECIPE --tags=dry_run prints the same table.",
    )
    parser.add_argument("recipe", nargs="?", help="a folder of conf/ (what kedro run runs without --env)")
    parser.add_argument("--price-per-hour", type=float, metavar="X", help="of this machine; adds prices")
    parser.add_argument("--images", type=int, metavar="N", help="train images to assume, if none are here")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. pretrain.epochs=3"
    )
    add_project(parser)
    parser.set_defaults(make=_cost)


def _cost(options: argparse.Namespace) -> str:
    from kedro.config import MissingConfigException

    from dino_pipeline.recipes.reading import conf_of, default_recipe, recipe_parameters
    from dino_pipeline.recipes.run_cost import recipe_cost
    from dino_pipeline.recipes.speed import RunConfig
    from dino_pipeline.workspace.typed_values import settings

    project = project_if_any(options)
    conf = conf_of(project)
    recipe = options.recipe or default_recipe(conf)
    try:
        parameters = recipe_parameters(recipe, settings(options.set), conf=conf)
    except MissingConfigException as error:
        raise ValueError(str(error)) from error
    price = options.price_per_hour
    text = recipe_cost(
        RunConfig.of(parameters),
        recipe=recipe,
        project_folder=project or Path.cwd(),
        price_per_hour=parameters.get("cost", {}).get("price_per_hour") if price is None else price,
        num_images=options.images,
    )
    return f"{text}\n"
