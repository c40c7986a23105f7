"""Turn parameters into rows: read the comparison's file, turn overlays into trainings, refuse wrong names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.workspace.overlays import overlaid
from dino_pipeline.workspace.yaml_files import read_mapping

RANDOM, PIXELS = "random initialisation", "raw pixels"
_SEED = "pretrain.seed"


@dataclass(frozen=True, kw_only=True)
class OverlayTraining:
    """One of the trainings of a row."""

    row: str
    pretrain: PretrainConfig
    monitoring: MonitoringConfig
    launch: LaunchConfig


def read_comparison(config: CompareConfig, project_folder: Path) -> CompareConfig:
    """Read the comparison's file, if there is one, and lay it over the comparison.

    Raises:
        ValueError: the file does not exist, contains something else than a comparison, or names contradict one another.
    """
    if config.file:
        path = project_folder / Path(config.file).expanduser()
        if not path.is_file():
            raise ValueError(f"compare.file: {path} does not exist")
        values = read_mapping(path)
        try:
            if not values or "file" in values:
                raise ValueError(
                    "it must contain the values of a comparison, such as overlays, but not `file`"
                )
            config = from_dict(CompareConfig, overlaid(to_dict(config), values))
        except ValidationError as error:
            raise ValueError(f"{path.name}: {in_a_line(error)}") from error
        except ValueError as error:
            raise ValueError(f"{path.name}: {' '.join(str(error).split())}") from error
    _check_names(config)
    return config


def row_names(config: CompareConfig) -> list[str]:
    """The rows in the order of the table, without the baselines."""
    return [*config.overlays, *config.runs, *config.experiments]


def trainings(
    config: CompareConfig, pretrain: PretrainConfig, monitoring: MonitoringConfig, launch: LaunchConfig
) -> list[OverlayTraining]:
    """Combine each overlay with each seed. The first seed of every row comes before the second seed of any row.

    Raises:
        ValueError: an overlay has a name or a value that trainings lack; the text names its row.
    """
    # Only the recipe itself continues from another training's progress.
    launch = replace(launch, adopt_progress=None)
    recipe = {"pretrain": to_dict(pretrain), "monitoring": to_dict(monitoring), "launch": to_dict(launch)}
    return [
        _training(row, {**overlay, _SEED: seed}, recipe)
        for seed in config.seeds
        for row, overlay in config.overlays.items()
    ]


def in_a_line(error: ValidationError, *, group: str = "") -> str:
    """Join the errors, each with its dotted name."""
    return "; ".join(
        f"{'.'.join(str(part) for part in (group, *found['loc']) if part != '')}: {found['msg']}"
        for found in error.errors()
    )


def _training(row: str, overlay: Mapping[str, Any], recipe: Mapping[str, Any]) -> OverlayTraining:
    foreign = [name for name in overlay if name.split(".")[0] not in recipe]
    if foreign:
        raise ValueError(
            f"compare.overlays, row {row!r}: {foreign[0]} does not belong to a training: begin with one of "
            f"{', '.join(recipe)}"
        )
    try:
        values = overlaid(recipe, overlay)
    except ValueError as error:
        raise ValueError(f"compare.overlays, row {row!r}: {error}") from error
    kinds = {"pretrain": PretrainConfig, "monitoring": MonitoringConfig, "launch": LaunchConfig}
    built: dict[str, Any] = {}
    for group, kind in kinds.items():
        try:
            built[group] = from_dict(kind, values[group])
        except ValidationError as error:
            raise ValueError(f"compare.overlays, row {row!r}: {in_a_line(error, group=group)}") from error
    return OverlayTraining(row=row, **built)


def _check_names(config: CompareConfig) -> None:
    names = row_names(config)
    if not names:
        raise ValueError("there is nothing to compare: set compare.overlays, runs, experiments or file")
    twice = sorted({name for name in names if names.count(name) > 1} | {RANDOM, PIXELS} & set(names))
    if twice:
        raise ValueError(f"compare: two rows have the name {twice[0]!r}: rename one")
    known = {*names, RANDOM, PIXELS}
    mentioned = {
        "expected": [name for pair in config.expected for name in pair],
        "published": list(config.published),
        "reference": [config.reference] if config.reference else [],
    }
    for key, found in mentioned.items():
        unknown = [name for name in found if name not in known]
        if unknown:
            raise ValueError(
                f"compare.{key}: there is no row {unknown[0]!r}, only {', '.join(sorted(known))}"
            )
    seeded = [row for row, overlay in config.overlays.items() if _SEED in overlay]
    if seeded:
        raise ValueError(
            f"compare.overlays, row {seeded[0]!r}: {_SEED} is set by compare.seeds: remove it here"
        )
