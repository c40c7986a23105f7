"""The `dino-pipeline` command: recipes, attention, embeddings, champions, lineage, a worker's input, the pipelines."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dino_pipeline.cli.attend import add_command as add_attend
from dino_pipeline.cli.dvc_stages import add_command as add_dvc_stages
from dino_pipeline.cli.embed import add_command as add_embed
from dino_pipeline.cli.init import add_command as add_init
from dino_pipeline.cli.lineage import add_command as add_lineage
from dino_pipeline.cli.merge_recipe import add_command as add_merge_recipe
from dino_pipeline.cli.promote import add_command as add_promote
from dino_pipeline.cli.repair_artifacts import add_command as add_repair_artifacts
from dino_pipeline.cli.sync_mlflow import add_command as add_sync_mlflow
from dino_pipeline.recipes.check import add_command as add_check_recipes
from dino_pipeline.workspace.overlays import nested


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        text = options.make(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dino-pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    spec = commands.add_parser(
        "spec",
        help="write the JSON that a training worker reads",
        description="Write the JSON for: python -m torch.distributed.run --nproc-per-node=N -m "
        "dino_pipeline.dino.training.worker spec.json",
    )
    spec.add_argument("--recipe", required=True, help="a folder of conf/, such as smoke")
    spec.add_argument("--manifest", type=Path, required=True, help="the Parquet file that ingest wrote")
    spec.add_argument(
        "--images", type=Path, default=Path(), help="what the manifest's paths start from (here)"
    )
    spec.add_argument("--folder", type=Path, required=True, help="where the training keeps its progress")
    spec.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. pretrain.epochs=3"
    )
    spec.add_argument("--output", type=Path, help="the file to write (standard output)")
    spec.set_defaults(make=_spec)
    picture = commands.add_parser("picture", help="draw the registered pipelines as SVG")
    picture.add_argument("output", type=Path, nargs="?", help="the file to write (standard output)")
    picture.set_defaults(make=_picture)
    add_init(commands)
    add_attend(commands)
    add_embed(commands)
    add_promote(commands)
    add_lineage(commands)
    add_check_recipes(commands)
    add_merge_recipe(commands)
    add_dvc_stages(commands)
    add_repair_artifacts(commands)
    add_sync_mlflow(commands)
    return parser


def _spec(options: argparse.Namespace) -> str:
    from kedro.config import MissingConfigException

    from dino_pipeline.dino.core.config import from_dict, to_dict
    from dino_pipeline.dino.core.data.manifest import read_manifest
    from dino_pipeline.dino.core.pretrain_config import PretrainConfig
    from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
    from dino_pipeline.dino.training.fingerprint import fingerprint
    from dino_pipeline.dino.training.initial_weights import resolve, store
    from dino_pipeline.dino.training.resolution import resolved
    from dino_pipeline.pipeline_registry import stage_pipelines
    from dino_pipeline.recipes.reading import recipe_parameters
    from dino_pipeline.workspace.parameter_errors import parameter_errors

    try:
        parameters = recipe_parameters(options.recipe, _settings(options.set))
    except MissingConfigException as error:
        raise ValueError(str(error)) from error
    wrong = parameter_errors(parameters, stage_pipelines())
    if wrong:
        raise ValueError("\n".join(wrong))
    images = read_manifest(options.manifest, options.images)
    start = resolve(from_dict(PretrainConfig, parameters["pretrain"]), root=Path())
    pretrain = resolved(start.config, images.split("train"))
    store(start, options.folder)
    spec = TrainingSpec(
        fingerprint=fingerprint(pretrain, images.digest()),
        recipe=options.recipe,
        manifest=str(options.manifest.absolute()),
        image_root=str(options.images.absolute()),
        folder=str(options.folder.absolute()),
        pretrain=pretrain,
        monitoring=from_dict(MonitoringConfig, parameters["monitoring"]),
        launch=from_dict(LaunchConfig, parameters["launch"]),
    )
    return json.dumps(to_dict(spec), indent=2) + "\n"


def _picture(_options: argparse.Namespace) -> str:
    from dino_pipeline.cli.picture import draw_stages
    from dino_pipeline.pipeline_registry import STAGES, stage_pipelines

    alone = stage_pipelines()
    return draw_stages({name: alone[name] for name in STAGES})


def _settings(settings: Sequence[str]) -> dict[str, Any]:
    """`["a.b=1"]` as `{"a": {"b": 1}}`.

    Raises:
        ValueError: a setting has no `=`.
    """
    for setting in settings:
        if "=" not in setting:
            raise ValueError(f"--set wants KEY=VALUE, such as pretrain.epochs=3, and got {setting!r}.")
    pairs = (setting.split("=", 1) for setting in settings)
    return nested({name: yaml.safe_load(text) for name, text in pairs})


if __name__ == "__main__":
    sys.exit(main())
