"""`dino-pipeline promote NAME [VERSION] [--rollback] [--reason TEXT] [--verify] | --log`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `promote` to the command line's subparsers."""
    parser = commands.add_parser(
        "promote",
        help="make a registered version the champion, where it is better; or take that back",
        description="Measures champion and challenger on the same validation images and moves the alias where the gain "
        "is what conf/*/parameters_promote.yml asks for. Every move is an entry of a log in MLflow.",
    )
    parser.add_argument("name", help="the registered model, such as dino-cifar10")
    parser.add_argument("version", type=int, nargs="?", help="the challenger's number")
    parser.add_argument(
        "--rollback", action="store_true", help="return to the champion before, with a --reason"
    )
    parser.add_argument(
        "--reason",
        help="why; needed without labels, to roll back, and for a first champion that raw pixels beat",
    )
    parser.add_argument(
        "--verify", action="store_true", help="hash every image again, and not only some (lineage.num_hashed)"
    )
    parser.add_argument("--log", action="store_true", help="say what was promoted, and change nothing")
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder (here)")
    parser.set_defaults(make=_promote, output=None)


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

    project = options.project.resolve()
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
        raise ValueError(
            f"name the version that is to be the champion: dino-pipeline promote {options.name} 3"
        )
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
