"""Digest of a Python file's behaviour: its syntax tree without wording."""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_LOGGERS = {"logger", "logging", "warnings"}
_WORDING_ONLY = {"__future__", "collections.abc", "logging", "typing", "warnings"}
# Positions, spellings, and fields that only some Python versions write.
_IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_params", "type_ignores", "simple"}


def syntax_digest(source: str) -> str:
    """Digest of a Python file's syntax tree, equal for all versions of Python.

    It leaves out docstrings, comments, positions, annotations, fields without a value (configurations hash those),
    validators, messages of errors and asserts, logging calls, and imports that only these use.
    """
    tree = _Wordless().visit(ast.parse(source))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return hashlib.sha256(_text(_UsedImports(used).visit(tree)).encode()).hexdigest()


class _Wordless(ast.NodeTransformer):
    """Drops the parts of a syntax tree that cannot change a weight."""

    def visit(self, node: ast.AST) -> Any:
        """The node without wording; None if nothing remains."""
        super().generic_visit(node)
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _is_log(node.value)):
            return None  # a docstring or a logging call
        if isinstance(node, ast.Assign) and _is_log(node.value):
            return None  # the logger
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_name(decorator).endswith("_validator") for decorator in node.decorator_list):
                return None
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            if node.value is None:
                return None
            return ast.Assign(targets=[node.target], value=node.value)
        elif isinstance(node, ast.Raise):
            node.cause = None
            if isinstance(node.exc, ast.Call):
                node.exc = node.exc.func
        elif isinstance(node, ast.Assert):
            node.msg = None
        elif isinstance(node, ast.If) and _name(node.test).endswith("TYPE_CHECKING"):
            return None
        elif isinstance(node, ast.JoinedStr):
            node.values = list(_joined(node.values))
        return node


class _UsedImports(ast.NodeTransformer):
    """Keeps only imports of names that are used. Which module of this package defines a name does not count."""

    def __init__(self, used: Iterable[str]) -> None:
        self.used = set(used)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [name for name in node.names if self._is_used(name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.module in _WORDING_ONLY:
            return None
        node.names = [name for name in node.names if self._is_used(name)]
        if (node.module or "").startswith("dino_pipeline."):
            node.module = None
        return node if node.names else None

    def _is_used(self, name: ast.alias) -> bool:
        bound = name.asname or name.name.split(".")[0]
        return bound in self.used and bound not in _WORDING_ONLY


def _name(node: ast.AST) -> str:
    """A dotted name; empty for any other node."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _name(node).split(".")[0] in _LOGGERS


def _joined(values: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Merge neighbouring constants of an f-string, because Python versions split them differently."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)


def _text(node: Any) -> str:
    """A tree as text. It leaves out empty fields, because newer versions of Python add some."""
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields: Mapping[str, Any] = {
        name: value
        for name, value in ast.iter_fields(node)
        if name not in _IGNORED_FIELDS and value is not None and value != []
    }
    return f"{type(node).__name__}({','.join(f'{name}={_text(value)}' for name, value in fields.items())})"
