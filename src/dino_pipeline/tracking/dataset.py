"""The data of a model as an MLflow dataset: its name, its digest, what it counts, its columns."""

import json
from collections.abc import Mapping
from typing import Any

from dino_pipeline.dino.core.data.manifest import SCHEMA
from dino_pipeline.tracking.run import ModelRun

_DIGEST_LENGTH = 36  # MLflow takes no longer one; the whole is in the profile
_COUNTS = ("digest", "num_images", "splits", "num_classes", "classes", "is_labelled")
_TYPES = {"string": "string", "int32": "integer", "int64": "long"}  # Arrow's to MLflow's


def log_dataset(run: ModelRun, summary: Mapping[str, Any], *, context: str) -> None:
    """Log the data that a run used; a second time changes nothing.

    Args:
        summary: of the ingestion.
        context: what for, `training` or `evaluation`.
    """
    run.log_dataset(
        {
            "name": summary["name"],
            "digest": summary["digest"][:_DIGEST_LENGTH],
            "source_type": "local",
            "source": json.dumps({"uri": _source(summary["source"])}),
            "schema": json.dumps({"mlflow_colspec": manifest_columns()}),
            "profile": json.dumps({name: summary[name] for name in _COUNTS}),
        },
        context,
    )


def manifest_columns() -> list[dict[str, Any]]:
    """The manifest's columns in MLflow's words; those that may be null are not required."""
    may_be_null = {"member", "offset", "label"}
    return [
        {"type": _TYPES[str(field.type)], "name": field.name, "required": field.name not in may_be_null}
        for field in SCHEMA
    ]


def _source(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "; ".join(source)
