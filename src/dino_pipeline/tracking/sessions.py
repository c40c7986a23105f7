"""Each start and each resumption of a training leaves a record: from which step, when, on what, with which code."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dino_pipeline.tracking.environment import environment, requirements
from dino_pipeline.tracking.git_info import origin_tags
from dino_pipeline.tracking.records import RESUMED_TAG, SESSIONS
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.working_tree import uncommitted_diff

__all__ = ["RESUMED_TAG", "SESSIONS", "log_session"]


def log_session(run: ModelRun, project_path: Path, facts: Mapping[str, Any]) -> None:
    """Log a record as the artifacts `sessions/<number>/`, and count it in the run's tag `resumed`.

    Args:
        run: the model's.
        project_path: whose commit and uncommitted edits are logged.
        facts: of this session, such as the step it goes on from; JSON-ready.
    """
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    texts = {
        "session.json": _json({"begun": begun, **facts, **origin_tags(project_path)}),
        "environment.json": _json(environment()),
        "requirements.txt": requirements(),
    }
    diff = uncommitted_diff(project_path)
    run.log_session({**texts, **({"uncommitted.diff": diff} if diff else {})})


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, default=str)
