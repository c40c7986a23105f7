"""Read values as people type them on a command line: what is typed is what is read, or an error says how to type it."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from dino_pipeline.workspace.overlays import nested

_KEY = re.compile(r"\s*([A-Za-z_][^=,'\"\[\]{}/]*?)\s*=")
_NULL = {"", "~", "null", "Null", "NULL"}


def typed_parameters(text: str) -> dict[str, Any]:
    """Turn `a.b=1,c=[x, y]` into `{"a": {"b": 1}, "c": ["x", "y"]}`.

    A comma begins the next item only where a name and `=` follow, and not inside quotes or brackets around a value.

    Raises:
        ValueError: an item has no name, a bracket or a quote is not closed, or a name is both a value and a group.
    """
    values: dict[str, Any] = {}
    for item in filter(str.strip, _items(text)):
        found = _KEY.match(item)
        if found is None:
            raise ValueError(
                f"--params needs KEY=VALUE, such as --params=pretrain.epochs=3, but got {item!r}: {_QUOTES}"
            )
        values[found[1]] = typed_value(item[found.end() :], found[1])
    return nested(values)


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn `["a.b=1"]`, the values of `--set`, into `{"a": {"b": 1}}`.

    Raises:
        ValueError: a setting has no `=`; see `typed_value`.
    """
    for pair in pairs:
        if "=" not in pair:
            raise ValueError(f"--set needs KEY=VALUE, such as pretrain.epochs=3, but got {pair!r}.")
    split = (pair.split("=", 1) for pair in pairs)
    return nested({name: typed_value(text, name) for name, text in split})


_QUOTES = "put quotes of both kinds around a value with special characters, \"KEY='VALUE'\""


def typed_value(text: str, name: str) -> Any:
    """The value of a typed text: a number, true, false, null, a list in [], a group in {}, else the text itself.

    Raises:
        ValueError: a list, a group or a quoted text does not end, or contains what YAML reads otherwise.
    """
    import yaml
    from omegaconf import OmegaConf

    typed = text.strip()
    if typed in _NULL:
        return None
    if "${" in typed:
        raise ValueError(f"{name}: {typed} is not read, because ${{ names a value of another file")
    try:
        # OmegaConf's reading of numbers is that of the parameters' files: 1e-3 is one
        value = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={typed}"]))["value"]  # type: ignore[call-overload,index]
    except (yaml.YAMLError, ValueError) as error:
        if typed[0] not in "[{'\"":
            return typed
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(
            f"{name}: {typed} cannot be read ({problem}): close each bracket and quote, and put quotes around texts "
            "with special characters, as in ['/set #2', '/b']"
        ) from error
    if isinstance(value, bool | int | float) or typed[0] in "[{'\"":
        return value
    return typed


def _items(text: str) -> Iterator[str]:
    """The parts between the commas that begin an item."""
    start = position = 0
    closers: list[str] = []
    while position < len(text):
        letter = text[position]
        begins = bool(re.fullmatch(r"[^=]*=\s*", text[start:position]))  # a value's first letter
        if closers:
            if letter == closers[-1]:
                closers.pop()
            elif closers[-1] not in "'\"" and letter in _PAIRS:
                closers.append(_PAIRS[letter])
        elif begins and letter in _PAIRS:
            closers.append(_PAIRS[letter])
        elif letter == "," and (_KEY.match(text, position + 1) or not text[position + 1 :].strip()):
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]


_PAIRS = {"[": "]", "{": "}", "'": "'", '"': '"'}
