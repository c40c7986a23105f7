"""Generate dvc.yaml and evaluations/dvc.yaml from the pipelines, the catalog, the parameters and the imports."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.project.catalog import evaluation_catalog
from dino_pipeline.project.imported_code import ImportedCode
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader

RECIPE = "${recipe}"  # DVC inserts the value of conf/dvc_recipe.yml
_ANY_RECIPE = "--any-recipe--"  # OmegaConf would read RECIPE as its own interpolation
FILES = ("dvc.yaml", "evaluations/dvc.yaml")
_PACKAGE = "dino_pipeline"
_WRITTEN = "# Written by `dino-pipeline dvc-stages` (make dvc-stages), and not by hand."

_DESCRIPTIONS = {
    "ingest": "Images to a manifest, with a quarantine of those that are damaged",
    "pretrain": "Manifest to a finished model, or a checkpoint imported; metrics/ only watches and is no dependency",
    "extract": "Features of the teacher and of what it is compared with",
    "probe": "Linear classifiers of the features, trained on fresh crops of the images",
    "evaluate": "Features to metrics and a picture",
    "report": "One page that says what the model learned; the same bytes for the same model",
    "register": "The teacher's backbone as a version in MLflow's registry, which is this stage's only output",
}
_METRICS = {"metrics"}  # catalog entries that DVC shows as metrics

# Groups that do not affect a stage's outputs.
UNWATCHED_GROUPS = {"recipe", "monitoring", "launch"}
# The report shows how a model differs from these. It reads them from conf/, not as an input of a node.
GROUPS_READ_AS_FILES = {"report": {"pretrain"}}

# Imports of stages that DVC does not watch, since no output follows from them.
UNWATCHED_CODE = {
    "dino_pipeline.tracking": "writes down what was made",
    "dino_pipeline.workspace.config_loader": "reads parameters, which are watched themselves",
    "dino_pipeline.workspace.experiment_copy": "says where things lie",
    "dino_pipeline.dino.launching": "starts processes, and shows their errors",
    "dino_pipeline.dino.partial": "names files that are not whole yet",
    "dino_pipeline.dino.progress": "says how far the work is",
    "dino_pipeline.workspace.parameter_errors": "words of errors",
    "dino_pipeline.workspace.run_lock": "keeps a second run away",
}
# A model's fingerprint decides whether it is trained again.
UNWATCHED_BY_PRETRAIN = {
    "dino_pipeline.pipelines.pretrain": "shows progress; for an import the fingerprint is of the weights",
    "dino_pipeline.model_registry.model_lookup": "the fingerprint is of what was found",
    "dino_pipeline.model_registry.provenance": "a tag of the run",
    "dino_pipeline.dino.metrics": "watches the training, and does not steer it",
}

_STAGES_HEAD = f"""\
# One stage a pipeline. DVC hashes what a stage depends on, so an edit reruns what it touches and nothing else.
# conf/local and --params are the user's own and unseen by DVC; a recipe is the place for what should count.
{_WRITTEN}
vars:
  - conf/dvc_recipe.yml

stages:
"""
_EVALUATIONS_HEAD = f"""\
# The evaluations that are run when asked for, `dvc repro evaluations/dvc.yaml:retrieval` for instance, on the model
# that the stages of ../dvc.yaml made. Few recipes change them, so a recipe is watched as a folder.
# Results are neither cached nor metrics of DVC: of a stage that has never run `dvc pull` and `dvc checkout` fail on the
# one and delete a file that Kedro made, and `dvc metrics show` warns of the other. The model's MLflow run keeps them.
{_WRITTEN}
vars:
  - ../conf/dvc_recipe.yml

stages:
"""
_PLOTS = """
# `dvc plots show`: curves of the training, step by step, and where the teacher looks.
plots:
  - loss:
      title: loss and teacher entropy
      x: {"%(model)s/history.csv": images_seen}
      y: {"%(model)s/history.csv": [loss, teacher_entropy]}
  - knn:
      title: k-NN accuracy on validation images
      x: {"%(model)s/history.csv": images_seen}
      y: {"%(model)s/history.csv": [knn_teacher, knn_student]}
  - effective_rank:
      title: effective rank of the features; near 1 they have collapsed
      x: {"%(model)s/history.csv": images_seen}
      y: {"%(model)s/history.csv": [effective_rank_teacher, effective_rank_student]}
  - %(attention_picture)s
"""


def project_catalog(conf: Path) -> dict[str, dict[str, Any]]:
    """The project's catalog for the recipe `${recipe}`, without the user's conf/local."""
    loader = LayeredConfigLoader(
        conf,
        "base",
        user_layer=None,
        generated_catalog=evaluation_catalog,
        base_env="base",
        default_run_env="base",
        merge_strategy=MERGE_STRATEGY,
    )
    loader["globals"] = {"recipe": _ANY_RECIPE}
    catalog: dict[str, dict[str, Any]] = json.loads(
        json.dumps(loader["catalog"]).replace(_ANY_RECIPE, RECIPE)
    )
    return catalog


def write_stages(
    stages: Mapping[str, Pipeline],
    evaluations: Mapping[str, Pipeline],
    catalog: Mapping[str, Mapping[str, Any]],
    *,
    code: Path | None,
) -> dict[str, str]:
    """The texts of both files, by file name.

    Args:
        stages: the pipelines of dvc.yaml, each alone.
        evaluations: the pipelines of evaluations/dvc.yaml.
        catalog: configurations of the data sets of the recipe `${recipe}`. DVC watches those with a path and no mark
            `unwatched`.
        code: the package's folder, src/dino_pipeline; None where the project runs an installed package, so that the
            stages watch no code.
    """
    paths = {
        name: entry["filepath"]
        for name, entry in catalog.items()
        if "filepath" in entry and "unwatched" not in entry.get("metadata", {})
    }
    imported = ImportedCode(code) if code else None
    ordinary = [
        "\n".join(_stage(name, pipeline, paths, _watched_code(imported, name)))
        for name, pipeline in stages.items()
    ]
    on_request = [
        "\n".join(_evaluation(name, pipeline, paths, _watched_code(imported, name)))
        for name, pipeline in evaluations.items()
    ]
    texts = (
        _STAGES_HEAD + "\n\n".join(ordinary) + "\n" + _PLOTS % paths,
        _EVALUATIONS_HEAD + "\n\n".join(on_request) + "\n",
    )
    return dict(zip(FILES, texts, strict=True))


def _stage(name: str, pipeline: Pipeline, paths: Mapping[str, str], code: Sequence[str]) -> Iterator[str]:
    groups = sorted(_groups(pipeline) | GROUPS_READ_AS_FILES.get(name, set()))
    outputs = _outputs(pipeline, paths)
    yield from _head(name, _DESCRIPTIONS[name])
    yield from _list("deps", [*code, *_inputs(pipeline, paths)])
    yield from _list(
        "params",
        [*_base_parameters(groups), f"conf/{RECIPE}/parameters.yml: [{', '.join(groups)}]"],
    )
    yield from _list("outs", [paths[output] for output in outputs if output not in _METRICS])
    yield from _list("metrics", [paths[output] for output in outputs if output in _METRICS])


def _evaluation(
    name: str, pipeline: Pipeline, paths: Mapping[str, str], code: Sequence[str]
) -> Iterator[str]:
    yield from _head(name, EVALUATIONS[name].description)
    yield "    wdir: .."
    yield from _list("deps", [*code, f"conf/{RECIPE}", *_inputs(pipeline, paths)])
    yield from _list("params", _base_parameters(sorted(_groups(pipeline))))
    yield from _list("outs", [f"{paths[output]}: {{cache: false}}" for output in _outputs(pipeline, paths)])


def _head(name: str, description: str) -> Iterator[str]:
    yield f"  {name}:"
    yield f"    desc: {description}"
    yield f"    cmd: kedro run --env={RECIPE} --pipelines={name} --tags={name}"


def _list(key: str, items: Sequence[str]) -> Iterator[str]:
    if items:  # DVC refuses an empty list
        yield f"    {key}:"
        yield from (f"      - {item}" for item in items)


def _groups(pipeline: Pipeline) -> set[str]:
    """Whole groups. A recipe may leave out a value inside a group, and DVC raises on a value that a file lacks."""
    names = {
        name.removeprefix("params:").split(".")[0] for name in pipeline.inputs() if name.startswith("params:")
    }
    return names - UNWATCHED_GROUPS


def _base_parameters(groups: Sequence[str]) -> list[str]:
    return [f"conf/base/parameters_{group}.yml: [{group}]" for group in groups]


def _inputs(pipeline: Pipeline, paths: Mapping[str, str]) -> list[str]:
    return sorted(paths[name] for name in pipeline.inputs() if name in paths)


def _outputs(pipeline: Pipeline, paths: Mapping[str, str]) -> list[str]:
    """Names in the order of the nodes. Data that only pass between nodes have no path."""
    return [name for node in pipeline.nodes for name in node.outputs if name in paths]


def _watched_code(imported: ImportedCode | None, name: str) -> list[str]:
    if not imported:
        return []
    files = imported.listed(watched_files(imported, name))
    return [path.relative_to(imported.package.parents[1]).as_posix() for path in files]


def watched_files(imported: ImportedCode, stage: str) -> set[Path]:
    """The Python files on which the outputs of a stage or an evaluation depend."""
    roots = [f"{_PACKAGE}.pipelines.{stage}"]
    if stage in EVALUATIONS:
        roots = [f"{_PACKAGE}.pipelines.evaluations", f"{_PACKAGE}.evaluations.{stage}"]
    unwatched = UNWATCHED_CODE | (UNWATCHED_BY_PRETRAIN if stage == "pretrain" else {})
    return imported.files(roots, without=unwatched)
