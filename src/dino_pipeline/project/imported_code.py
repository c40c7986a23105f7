"""List the source files that a module imports, directly and indirectly, from their text. Nothing is executed."""

import ast
import hashlib
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

from dino_pipeline.dino.training.syntax_digest import syntax_digest


class ImportedCode:
    """The imports inside one package.

    Imports inside functions count; imports under `if TYPE_CHECKING:` do not. A module named in a string counts as
    imported: torchrun starts workers by name. So do all modules of a package named in a string: they are plug-ins.

    Args:
        package: the package's folder.
    """

    def __init__(self, package: Path) -> None:
        self.package = package
        self._imports: dict[str, set[str]] = {}

    def files(self, roots: Collection[str], *, without: Collection[str] = ()) -> set[Path]:
        """The files of `roots`, which are modules or packages, and of their imports.

        Args:
            roots: names.
            without: modules and packages to leave out, together with modules that only they import. A root may be among
                them: its imports are then followed, and its own files are left out.
        """
        seen: set[str] = set()
        waiting = {module for module in self.modules if _is_part_of(module, roots)}
        while waiting:
            module = waiting.pop()
            seen.add(module)
            found = self.imports_of(module) - seen
            waiting |= {name for name in found if not _is_part_of(name, without)}
        return {self.modules[module] for module in seen if not _is_part_of(module, without)}

    def listed(self, files: Collection[Path]) -> Iterator[Path]:
        """The files in order. A folder replaces all its files; an `__init__.py` without code does not count.

        Files beside a module that are not Python, such as templates, count as that module's.
        """
        yield from self._listed(self.package, set(files))

    def digest(self, files: Collection[Path]) -> str:
        """Digest of what the files do, whatever their wording, and of the files beside them that are not Python."""
        digests = [syntax_digest(file.read_text(encoding="utf-8")) for file in files]
        others = {other for file in files for other in file.parent.iterdir() if _is_other(other)}
        digests += [hashlib.sha256(other.read_bytes()).hexdigest() for other in others]
        return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()

    @cached_property
    def modules(self) -> dict[str, Path]:
        """The modules of the package by name. A package stands for its `__init__.py`."""
        modules = {}
        for file in sorted(self.package.rglob("*.py")):
            *folders, last = file.relative_to(self.package.parent).with_suffix("").parts
            modules[".".join(folders if last == "__init__" else [*folders, last])] = file
        return modules

    def imports_of(self, module: str) -> set[str]:
        """The modules of this package that one module imports directly."""
        if module not in self._imports:
            tree = ast.parse(self.modules[module].read_text())
            named = {name for name in _strings(tree) if name in self.modules} - {self.package.name}
            imported = {name for name in _names(tree) if name in self.modules}
            plug_ins = {other for other in self.modules for name in named if other.startswith(f"{name}.")}
            self._imports[module] = (imported | named | plug_ins) - {self.package.name}
            for source, name in _names_from(tree):
                whole = f"{source}.{name}"
                self._imports[module] |= {whole if whole in self.modules else source} & self.modules.keys()
        return self._imports[module]

    def _listed(self, folder: Path, files: set[Path]) -> Iterator[Path]:
        sources = {file for file in folder.rglob("*.py") if not _has_no_code(file)}
        if sources and sources <= files:
            yield folder
            return
        has_module = any(file in files for file in folder.glob("*.py"))
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                yield from self._listed(path, files)
            elif path in files & sources or (has_module and _is_other(path)):
                yield path


def _is_other(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".pyc")


def _is_part_of(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _has_no_code(file: Path) -> bool:
    if file.name != "__init__.py":
        return False
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _names(tree: ast.AST) -> Iterator[str]:
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in _nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _names_from(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in _nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module:  # relative imports are not used here
            yield from ((node.module, alias.name) for alias in node.names)
