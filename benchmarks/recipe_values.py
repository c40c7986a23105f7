"""A recipe's parameters read without Kedro, for machines that have none: conf/base under conf/<recipe>."""

from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).parents[1] / "conf"


def recipe_values(recipe: str) -> dict[str, Any]:
    """The groups of conf/base/parameters_pretrain.yml, with what the recipe changes."""
    base, own = (
        yaml.safe_load((CONF / name).read_text())
        for name in ("base/parameters_pretrain.yml", f"{recipe}/parameters.yml")
    )
    return _laid_over(base, {group: values for group, values in own.items() if group in base})


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _laid_over(below[key], value)
        if isinstance(value, dict) and isinstance(below.get(key), dict)
        else value
        for key, value in above.items()
    }
    return below | both
