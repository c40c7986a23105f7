"""Imports make no circle. import-linter holds the floors, and leaves out what is imported for types alone."""

from graphlib import TopologicalSorter

import grimp


def test_no_modules_import_each_other_not_even_for_types() -> None:
    graph = grimp.build_graph("dino_pipeline", exclude_type_checking_imports=False, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imports) > 300
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle
