"""Read YAML files that people write, and say in one line what is wrong with one: file, line, and what to do."""

import codecs
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

# What YAML's own words mean to the writer of a file.
_REMEDIES = {
    "'\\t'": "a tab: indent with blanks",
    "mapping values are not allowed": "a colon where none can be: check the indentation and the colon of the line "
    "before, or put quotes around a text with a colon",
    "could not find expected ':'": "a colon is missing after a name",
    "unknown escape": "a backslash in double quotes: write single quotes around the text",
    "cannot start any token": "a text that begins with a special character: put quotes around it",
    "undefined alias": "a text that begins with *: put quotes around it",
    "quoted scalar": "a quote is not closed",
    "flow sequence": "a bracket [ is not closed, or a comma is missing",
    "flow mapping": "a bracket { is not closed, or a comma is missing",
    "flow node": "a bracket [ or { is not closed",
    "expected <block end>": "the indentation is unlike that of the lines before",
    "expected a single document": "a line ---, which begins another document: remove it",
}
_FROM_ITS_START = ("quoted scalar", "flow sequence", "flow mapping")  # what begins there and does not end


def read_mapping(file: Path) -> dict[str, Any]:
    """The names and values of a YAML file; none of an empty one.

    Raises:
        ValueError: see `slip`.
    """
    if wrong := slip(file):
        raise ValueError(wrong)
    return yaml.safe_load(file.read_text(encoding="utf-8-sig")) or {}


def slip(file: Path, groups: Collection[str] = (), *, plain: bool = False) -> str | None:
    """What is wrong with a YAML file, in one line; None if nothing is.

    Args:
        groups: names at the top whose values are groups themselves.
        plain: whether `${...}` is a slip, as in files of parameters.
    """
    data = file.read_bytes()
    try:
        text = data.decode(
            "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"{file}, line {line}: a letter is not UTF-8: save the file as UTF-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return f"{file}, line 1: the file is UTF-16: save it as UTF-8"
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        for place, wrong in _slips(node, groups, plain):
            return f"{file}, line {place.start_mark.line + 1}: {wrong}"
        yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        return f"{file}, line {_line(error, text)}: {_in_words(error)}"
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # a letter that YAML forbids, a date such as 2024-99-99
        return f"{file}: {' '.join(str(error).split())}"
    return None


def line_of(file: Path, name: str) -> int | None:
    """The line of a name at the top of a YAML file; None if it has no such name."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError):
        return None
    names = node.value if isinstance(node, yaml.MappingNode) else []
    return next((int(key.start_mark.line) + 1 for key, _ in names if key.value == name), None)


def _slips(node: yaml.Node | None, groups: Collection[str], plain: bool) -> Iterator[tuple[yaml.Node, str]]:
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        yield node, f"{_kind(node)} where names and values are meant, such as pretrain: {{epochs: 3}}"
        return
    for name, value in node.value:
        if not (isinstance(name, yaml.ScalarNode) and name.tag.endswith(":str")):
            yield name, f"the name {_shown(name)} is not a text: put quotes around it"
        elif name.value in groups and not isinstance(value, yaml.MappingNode):
            joined = isinstance(value, yaml.ScalarNode) and ":" in value.value
            remedy = "write a blank after each colon" if joined else "write names and values below it"
            yield name, f"{name.value} is {_kind(value)}: {remedy}, as in {name.value}: {{name: value}}"
    yield from _inside(node, plain)


def _inside(node: yaml.Node, plain: bool) -> Iterator[tuple[yaml.Node, str]]:
    if plain and isinstance(node, yaml.ScalarNode) and "${" in node.value:
        yield (
            node,
            f"{_shown(node)} names another value, which files of parameters cannot: write the value itself",
        )
    first: dict[str, yaml.Node] = {}
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        name, value = child if isinstance(child, tuple) else (None, child)
        if isinstance(name, yaml.ScalarNode) and name.value != "<<":
            earlier = first.setdefault(name.value, name)
            if earlier is not name:
                line = earlier.start_mark.line + 1
                yield name, f"{name.value} is here a second time, after line {line}: keep one of them"
        yield from _inside(value, plain)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"the single value {_shown(node)}" if str(node.value) else "nothing"


def _shown(node: yaml.Node) -> str:
    text = " ".join(str(node.value).split())
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _line(error: yaml.MarkedYAMLError, text: str) -> int:
    begins = any(words in (error.context or "") for words in _FROM_ITS_START)
    mark = error.context_mark if begins and error.context_mark else error.problem_mark
    last = text.rstrip().count("\n")  # an error at the end of the text belongs to its last words
    return min(mark.line, last) + 1 if mark else 1


def _in_words(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, yaml.constructor.ConstructorError):
        return f"this is not plain YAML, {error.problem}"
    for text in (error.problem or "", error.context or ""):
        for words, remedy in _REMEDIES.items():
            if words in text:
                return remedy
    return error.problem or "this is not YAML"
