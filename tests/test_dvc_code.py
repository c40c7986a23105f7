"""The code that dvc.yaml watches is the code that a pipeline imports, by grimp's reading of the import graph."""

import ast
from pathlib import Path

import grimp
import pytest
import yaml

from dino_pipeline.pipeline_registry import EVALUATIONS, STAGES
from dino_pipeline.project.dvc_stages import UNWATCHED_BY_PRETRAIN, UNWATCHED_CODE
from dino_pipeline.project.imported_code import ImportedCode

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom, inside functions too; a name in a string counts as an import."""
    graph = grimp.build_graph("dino_pipeline", exclude_type_checking_imports=True, cache_dir=None)
    for module in graph.modules:
        for node in ast.walk(ast.parse(file_of(module).read_text())):
            if isinstance(node, ast.Constant) and node.value in graph.modules - {"dino_pipeline"}:
                for imported in {node.value} | graph.find_descendants(node.value):  # of a package, plug-ins
                    graph.add_import(importer=module, imported=imported)
    return graph


def file_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported_files(graph: grimp.ImportGraph, stage: str) -> set[Path]:
    """The files that a run of a stage imports, without what is unwatched and what only that imports."""
    unwatched = UNWATCHED_CODE | (UNWATCHED_BY_PRETRAIN if stage == "pretrain" else {})
    seen: set[str] = set()
    waiting = {f"dino_pipeline.pipelines.{stage}"}
    if stage in EVALUATIONS:
        package = f"dino_pipeline.evaluations.{stage}"
        waiting = {"dino_pipeline.pipelines.evaluations", package} | graph.find_descendants(package)
    while waiting:
        module = waiting.pop()
        seen.add(module)
        found = graph.find_modules_directly_imported_by(module) - seen
        waiting |= {name for name in found if not is_part_of(name, unwatched)}
    return {file_of(module) for module in seen if not is_part_of(module, unwatched)}


def is_part_of(module: str, packages: dict[str, str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def watched_code(stage: str) -> set[Path]:
    file = "dvc.yaml" if stage in STAGES else "evaluations/dvc.yaml"
    paths = yaml.safe_load((ROOT / file).read_text())["stages"][stage]["deps"]
    return {ROOT / path for path in paths if path.startswith("src/")}


@pytest.mark.parametrize("stage", [*STAGES, *EVALUATIONS])
def test_what_a_pipeline_imports_is_watched(graph: grimp.ImportGraph, stage: str) -> None:
    watched = watched_code(stage)
    missing = {file for file in imported_files(graph, stage) if not watched & {file, *file.parents}}
    assert not missing


@pytest.mark.parametrize("stage", [*STAGES, *EVALUATIONS])
def test_nothing_is_watched_that_a_pipeline_does_not_import(graph: grimp.ImportGraph, stage: str) -> None:
    imported = imported_files(graph, stage)
    folders = {folder for file in imported for folder in file.parents}
    for path in watched_code(stage):
        packages = {file.parent for file in path.rglob("*.py")} if path.is_dir() else set()
        beside = path.suffix not in ("", ".py") and path.parent in folders  # a template
        assert path in imported | folders or beside, f"{path} is not imported"
        assert packages <= folders, f"{path} has folders that are not imported"


def test_each_module_imports_what_grimp_says(graph: grimp.ImportGraph) -> None:
    code = ImportedCode(SOURCE / "dino_pipeline")
    assert code.modules.keys() == graph.modules
    for module in graph.modules:
        assert code.imports_of(module) == graph.find_modules_directly_imported_by(module), module
