"""Imports make no circle, and names are unique. import-linter checks the floors, without imports for types alone."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import dino_pipeline

PACKAGE = Path(dino_pipeline.__file__).parent


def test_no_modules_import_each_other_not_even_for_types() -> None:
    graph = grimp.build_graph("dino_pipeline", exclude_type_checking_imports=False, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imports) > 300
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_every_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert names.total() > 300
    assert [name for name, count in names.items() if count > 1] == []
