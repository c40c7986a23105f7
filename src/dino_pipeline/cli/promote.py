"""`dino-pipeline promote NAME [VERSION] [--rollback] [--reason TEXT] [--verify] | --log`."""

import argparse
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `promote` to the command line's subparsers."""
    parser = commands.add_parser(
        "promote",
        help="make a registered version the champion if it is better, or undo that",
        description="Measures champion and challenger on the same validation images, and moves the alias if the gain "
        "is as large as the parameters `promote` require. A log in MLflow records every move.",
    )
    parser.add_argument("name", help="the registered model, such as dino-cifar10")
    parser.add_argument("version", type=int, nargs="?", help="the challenger's number")
    parser.add_argument(
        "--rollback", action="store_true", help="return to the previous champion; needs --reason"
    )
    parser.add_argument(
        "--reason",
        help="the reason; required without labels, for a rollback, and for a first champion worse than raw pixels",
    )
    parser.add_argument(
        "--verify", action="store_true", help="hash every image again, not only a sample (lineage.num_hashed)"
    )
    parser.add_argument("--log", action="store_true", help="print the promotions, and change nothing")
    add_project(parser)
    parser.set_defaults(make=_promote)


def _promote(options: argparse.Namespace) -> str:
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.evaluation.config import ExtractConfig
    from dino_pipeline.model_registry.config import LineageConfig, PromoteConfig
    from dino_pipeline.model_registry.promotion.audit_record import log_text, record_text
    from dino_pipeline.model_registry.promotion.promote import Registry, promote, roll_back
    from dino_pipeline.recipes.reading import project_parameters
    from dino_pipeline.tracking import configure
    from dino_pipeline.tracking.registry import registered_version
    from dino_pipeline.tracking.store import connect, plain_errors, quieten

    name, _, number = options.name.partition("/")
    if number and options.version is None:  # dino-photos/3, as other commands name a version
        if not number.isdecimal():
            raise ValueError(
                f"{options.name}: give a version by its number, for example: dino-pipeline promote {name} 3"
            )
        options.name, options.version = name, int(number)
    project = project_of(options)
    store = configure(project)
    quieten()
    with plain_errors():
        client = connect(store)
    base = project_parameters(project, "base")
    registry = Registry(client=client, store=store, alias=from_dict(PromoteConfig, base["promote"]).alias)
    if options.log:
        return log_text(registry.records(options.name), registry.champion(options.name))
    if options.rollback:
        return record_text(
            options.name, roll_back(registry, options.name, options.version, reason=options.reason)
        )
    if options.version is None:
        raise ValueError(f"give the version to promote, for example: dino-pipeline promote {options.name} 3")
    challenger = registered_version(client, options.name, options.version)
    recipe = project_parameters(project, challenger.tags.get("recipe", "base"))
    record = promote(
        registry,
        challenger,
        from_dict(PromoteConfig, recipe["promote"]),
        from_dict(ExtractConfig, recipe["extract"]),
        reason=options.reason,
        num_hashed=None if options.verify else from_dict(LineageConfig, recipe["lineage"]).num_hashed,
    )
    return record_text(options.name, record)
