"""The name of a data set, under which all models of it are registered."""

import re
from collections.abc import Mapping
from typing import Any

from dino_pipeline.ingestion.config import IngestConfig


def data_set_name(config: IngestConfig, own: Mapping[str, Any], recipe: str) -> str:
    """What the user calls it; else the recipe's name, unless the images are others than the recipe's.

    Images that `--params` or conf/local put in the place of the recipe's are named after their source.

    Args:
        config: in force.
        own: the same parameters as the recipe itself has them.
        recipe: its name, which its own images bear where it gives them no other.
    """
    if config.name and config.name != own["name"]:
        return config.name
    own_source = own["source"] or ()
    if config.sources == ((own_source,) if isinstance(own_source, str) else tuple(own_source)):
        return own["name"] or recipe
    return "_and_".join(named_after(source) for source in config.sources)


def named_after(source: str) -> str:
    """A name made of letters, digits and underscores, that begins with a letter."""
    stem = re.sub(r"(\.tar)?\.\w+$", "", source.rstrip("/").rpartition("/")[2].rpartition(":")[2])
    words = re.sub(r"\W+", "_", stem).strip("_").lower() or "images"
    return words if words[0].isalpha() else f"images_{words}"
