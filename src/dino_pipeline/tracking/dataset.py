"""Log a model's data as an MLflow dataset: name, digest, counts and columns."""

import json
from collections.abc import Mapping
from typing import Any

from dino_pipeline.dino.core.data.manifest import SCHEMA
from dino_pipeline.tracking.run import ModelRun

_DIGEST_LENGTH = 36  # MLflow's longest; the profile holds the whole digest
_COUNTS = ("digest", "num_images", "splits", "num_classes", "classes", "is_labelled")
_TYPES = {"string": "string", "int32": "integer", "int64": "long"}  # Arrow types to MLflow types


def log_dataset(run: ModelRun, summary: Mapping[str, Any], *, context: str) -> None:
    """Log the data that a run used. A second call changes nothing.

    Args:
        summary: the summary of ingestion.
        context: the purpose of the data, `training` or `evaluation`.
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
    """The manifest's columns as MLflow describes them. Columns that may be null are not required."""
    may_be_null = {"member", "offset", "label", "group"}
    return [
        {"type": _TYPES[str(field.type)], "name": field.name, "required": field.name not in may_be_null}
        for field in SCHEMA
    ]


def _source(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "; ".join(source)
