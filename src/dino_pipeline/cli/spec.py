"""`dino-pipeline spec --recipe NAME --manifest FILE --folder DIR`."""

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any) -> None:
    """Add `spec` to the command line's subparsers."""
    parser = commands.add_parser(
        "spec",
        help="write the JSON that a training worker reads",
        description="Write the JSON for: python -m torch.distributed.run --nproc-per-node=N -m "
        "dino_pipeline.dino.training.worker spec.json",
    )
    parser.add_argument("--recipe", required=True, help="a folder of conf/, such as smoke")
    parser.add_argument("--manifest", type=Path, required=True, help="the Parquet file that ingest wrote")
    parser.add_argument(
        "--images",
        type=Path,
        default=Path(),
        help="paths in the manifest, and a loss of your own, are relative to this folder (here)",
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the training keeps its progress")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. pretrain.epochs=3"
    )
    parser.add_argument("--output", type=Path, help="the file to write (standard output)")
    parser.set_defaults(make=_spec)


def _spec(options: argparse.Namespace) -> str:
    import json

    from kedro.config import MissingConfigException

    from dino_pipeline.dino.core.config import from_dict, to_dict
    from dino_pipeline.dino.core.pretrain_config import PretrainConfig
    from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
    from dino_pipeline.dino.training.preparation import prepare_for_workers
    from dino_pipeline.model_registry.model_lookup import with_paths_of_weights
    from dino_pipeline.pipeline_registry import stage_pipelines
    from dino_pipeline.recipes.reading import conf_of, recipe_parameters
    from dino_pipeline.workspace.parameter_errors import parameter_errors
    from dino_pipeline.workspace.project_folder import project_around
    from dino_pipeline.workspace.typed_values import settings

    project = project_around(Path())
    try:
        parameters = recipe_parameters(options.recipe, settings(options.set), conf=conf_of(project))
    except MissingConfigException as error:
        raise ValueError(str(error)) from error
    wrong = parameter_errors(parameters, stage_pipelines())
    if wrong:
        raise ValueError("\n".join(wrong))
    pretrain = from_dict(PretrainConfig, parameters["pretrain"])
    spec = prepare_for_workers(
        options.manifest,
        options.images,
        with_paths_of_weights(pretrain, project or Path.cwd()),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        from_dict(LaunchConfig, parameters["launch"]),
        recipe=options.recipe,
        folder=options.folder,
    )
    text = json.dumps(to_dict(spec), indent=2) + "\n"
    if options.output is None:
        return text
    options.output.write_text(text, encoding="utf-8")
    return ""
