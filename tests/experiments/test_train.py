"""A training's run says what went wrong in it, and nothing where all went well."""

import math
from pathlib import Path

from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.history import HISTORY, HISTORY_COLUMNS, RowFile
from dino_pipeline.experiments.diagnostics import log_findings
from dino_pipeline.recipes.reading import recipe_parameters


def found_in(
    project: Path, client: MlflowClient, *, entropy: float, unreadable: str
) -> tuple[dict, list[str]]:
    """Tags and artifacts of the run of a training with such a history and list."""
    folder = project / "training"
    folder.mkdir(exist_ok=True)
    history = RowFile(folder / HISTORY, HISTORY_COLUMNS)
    history.cut_after(0)
    for step in (20, 40, 60):
        sharpness = {"teacher_temperature": 0.04, "teacher_momentum": 0.98}
        history.append({"step": step, "teacher_entropy": entropy, "kl": 0.001, **sharpness})
    (folder / "unreadable.csv").write_text("step,row,path,reason\n" + unreadable)
    (folder / "skipped_steps.csv").write_text("step,process,not_finite,rows\n")
    config = from_dict(PretrainConfig, recipe_parameters("base")["pretrain"])
    with tracking.open_model_run(f"fingerprint {entropy}", name="tiny") as run:
        log_findings(run, folder, config)
    logged = client.get_run(run.run_id)
    return logged.data.tags, [artifact.path for artifact in client.list_artifacts(run.run_id)]


def test_a_collapse_is_a_tag_and_a_list_that_holds_anything_an_artifact(
    project: Path, client: MlflowClient
) -> None:
    tags, artifacts = found_in(project, client, entropy=math.log(512), unreadable="40,7,7.png,gone\n")
    assert tags["collapse"] == "uniform"
    assert artifacts == ["unreadable.csv"]
    tags, artifacts = found_in(project, client, entropy=3.0, unreadable="")
    assert "collapse" not in tags
    assert artifacts == []
