"""Imports read from a small package: through others, inside functions, by name; and lists that people can read."""

from pathlib import Path

import pytest

from dino_pipeline.project.imported_code import ImportedCode

FILES = {
    "__init__.py": "",
    "stage.py": """\
from typing import TYPE_CHECKING
from package.parts import first
if TYPE_CHECKING:
    from package.types_only import T
def run():
    import package.late
    start("package.worker")
""",
    "types_only.py": "T = int",
    "late.py": "",
    "worker.py": "from package.shown import text",
    "shown/__init__.py": "from package.shown.only_there import text",
    "shown/only_there.py": "text = ''",
    "parts/__init__.py": '"""Parts."""',
    "parts/first.py": "from package.parts.second import x",
    "parts/second.py": "x = 1",
    "mixed/used.py": "",
    "mixed/other.py": "",
    "mixed/page.html": "<p>",
}


@pytest.fixture
def code(tmp_path: Path) -> ImportedCode:
    for name, text in FILES.items():
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return ImportedCode(tmp_path / "package")


def names(code: ImportedCode, files: set[Path]) -> set[str]:
    return {file.relative_to(code.package).as_posix() for file in files}


def test_files_are_those_of_all_imports_but_of_types(code: ImportedCode) -> None:
    assert names(code, code.files(["package.stage"])) == {
        "stage.py",
        "late.py",
        "worker.py",
        "shown/__init__.py",
        "shown/only_there.py",
        "parts/first.py",
        "parts/second.py",
    }


def test_what_is_left_out_takes_along_what_only_it_imports(code: ImportedCode) -> None:
    without = code.files(["package.stage"], without=["package.shown", "package.stage"])
    assert names(code, without) == {"late.py", "worker.py", "parts/first.py", "parts/second.py"}


def test_a_folder_stands_for_all_its_files_and_a_template_belongs_to_the_module_beside(
    code: ImportedCode,
) -> None:
    files = code.files(["package.parts.first", "package.mixed.used"])
    listed = [path.relative_to(code.package).as_posix() for path in code.listed(files)]
    assert listed == ["mixed/page.html", "mixed/used.py", "parts"]
