"""Each start and each resumption of a training leaves a record: from which step, when, on what, with which code."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dino_pipeline.tracking.environment import environment, requirements
from dino_pipeline.tracking.origin import origin_tags
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.working_tree import uncommitted_diff

SESSIONS = "sessions"  # the folder of artifacts
RESUMED_TAG = "resumed"  # how often


def log_session(run: ModelRun, project_path: Path, facts: Mapping[str, Any]) -> None:
    """Log a record as the artifacts `sessions/<number>/`, and count it in the run's tag `resumed`.

    Args:
        run: the model's.
        project_path: whose commit and uncommitted edits are logged.
        facts: of this session, such as the step it goes on from; JSON-ready.
    """
    tags = run.tags()
    num_before = int(tags[RESUMED_TAG]) + 1 if RESUMED_TAG in tags else 0
    folder = f"{SESSIONS}/{num_before + 1}"
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    run.log_json({"begun": begun, **facts, **origin_tags(project_path)}, f"{folder}/session.json")
    run.log_json(environment(), f"{folder}/environment.json")
    run.log_text(requirements(), f"{folder}/requirements.txt")
    diff = uncommitted_diff(project_path)
    if diff:
        run.log_text(diff, f"{folder}/uncommitted.diff")
    run.set_tags({RESUMED_TAG: str(num_before)})
