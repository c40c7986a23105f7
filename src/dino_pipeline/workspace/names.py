"""One rule for the names that people give to recipes, tuned recipes and aliases, so that each works everywhere."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

_LONGEST = 60  # a name becomes part of names of files
_NAME = re.compile(rf"[A-Za-z](?:[A-Za-z0-9_.-]{{0,{_LONGEST - 2}}}[A-Za-z0-9_])?")
_RULE = (
    "a name begins with a letter and has only letters (a to z), digits, _, - and ., ends with none of - and ., has "
    f"{_LONGEST} characters at most, and is no value in YAML (on, off, yes, no, true, false, null, y, n)"
)
_YAML_WORDS = {"on", "off", "yes", "no", "true", "false", "null", "y", "n"}
_FOLDERS = {"base", "local", "comparisons"}  # of conf/, with a meaning of their own


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: it breaks the rule, which the message has.
    """
    if not _NAME.fullmatch(name) or name.lower() in _YAML_WORDS:
        raise ValueError(f"the name {name!r} cannot be used: {_RULE}")
    return name


def check_recipe_name(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: it breaks the rule, or names a folder of conf/ with a meaning of its own.
    """
    if check_name(name).lower() in _FOLDERS:
        raise ValueError(
            f"the name {name!r} cannot be used for a recipe: conf/{name.lower()} has a meaning of its own"
        )
    return name


def check_alias(name: str) -> str:
    """The alias itself.

    Raises:
        ValueError: it breaks the rule, or is one that MLflow keeps for itself.
    """
    if check_name(name).lower() == "latest" or re.fullmatch(r"v\d+", name, re.IGNORECASE) or "." in name:
        raise ValueError(
            f"the alias {name!r} cannot be used: MLflow has no aliases with a dot, and latest, v1, v2 mean versions"
        )
    return name


def recipe_name_from(text: str) -> str:
    """A name for a recipe that resembles a text, such as a folder's name."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[: _LONGEST - 20].strip("_")
    if not name:
        return "images"
    taken = name in _YAML_WORDS | _FOLDERS
    return f"images_{name}" if taken or not name[0].isalpha() else name


RecipeName = Annotated[str, AfterValidator(check_recipe_name)]
Alias = Annotated[str, AfterValidator(check_alias)]
