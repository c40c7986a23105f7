"""The project's tracking: set the store, open runs, and send spooled records."""

import logging
import os
import re
import shlex
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dino_pipeline.tracking.address import VARIABLE, tracking_address
from dino_pipeline.tracking.git_info import origin_tags
from dino_pipeline.tracking.retry import SYNC_COMMAND, Retry
from dino_pipeline.tracking.run import ModelRun, UntrackedRun
from dino_pipeline.tracking.runs import (
    COMPARISON_TAG,
    EARLIER_TAG,
    FINGERPRINT_TAG,
    STUDY_TAG,
    find_by_tag,
    tagged_runs,
)
from dino_pipeline.tracking.spool import ARTIFACTS, FOLDER, RECORDS, RunSpec, Spool, spooled_runs
from dino_pipeline.tracking.store import (
    Store,
    connect,
    experiment_id,
    in_short,
    plain_errors,
    quieten,
    store_errors,
    without_passwords,
)
from dino_pipeline.workspace.experiment_copy import outside_copy

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"(?:models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")

logger = logging.getLogger(__name__)

_store: Store | None = None
_retries = {channel: Retry(channel) for channel in (RECORDS, ARTIFACTS)}


def configure(project_path: Path, tags: Mapping[str, str] | None = None) -> Store:
    """Set the store of runs: `MLFLOW_TRACKING_URI`, or the project's mlruns/mlflow.db. Reads and writes nothing.

    Args:
        project_path: the project's folder, or the copy in which DVC runs an experiment. The copy's runs go to the
            project's own store. A relative address starts at the project's folder, too.
        tags: set on every run created from now on, such as the recipe.

    Raises:
        ValueError: MLflow could not use the address.
    """
    global _store, _retries
    root = project_path.resolve()
    asked = os.environ.get(VARIABLE, "").strip()
    uri = tracking_address(asked, outside_copy(root))
    if asked not in ("", uri):
        _show_address(uri)
    _store = Store(uri=uri, project_path=root, tags=dict(tags or {}))
    _retries = {channel: Retry(channel) for channel in _retries}
    return _store


def ui_command(project: Path) -> str:
    """What shows the runs in MLflow's UI: make's target where the project has one for its own store."""
    uri = configure(project).uri if _store is None else _store.uri
    makefile = project / "Makefile"
    if uri.endswith("/mlruns/mlflow.db") and makefile.is_file() and "\nui:" in makefile.read_text():
        return "make ui"
    if uri.startswith("http"):
        return without_passwords(uri)
    return f"mlflow ui --backend-store-uri {shlex.quote(without_passwords(uri))}"


def open_model_run(fingerprint: str, *, name: str, tags: Mapping[str, str] | None = None) -> ModelRun:
    """The run of a model in training: the run of its interrupted training, or a new one.

    Use it as a context manager. The run ends as FINISHED, KILLED (Ctrl-C, SIGTERM) or FAILED.
    """
    return _open((FINGERPRINT_TAG, fingerprint), name=name, tags=tags, is_training=True)


def open_comparison_run(comparison: str) -> ModelRun:
    """The run that holds the table and plot of a comparison of models. Use it like `open_model_run`'s."""
    return _open((COMPARISON_TAG, comparison), name=comparison, tags=None, is_training=True)


def open_study_run(study: str) -> ModelRun:
    """The run that contains a study's trials. Use it like `open_model_run`'s."""
    return _open((STUDY_TAG, study), name=study, tags=None, is_training=True)


def model_run(
    fingerprint: str, *, name: str | None = None, tags: Mapping[str, str] | None = None
) -> ModelRun:
    """The run of a finished model. Its status stays. A missing run is created and tagged `imported`."""
    return _open(
        (FINGERPRINT_TAG, fingerprint),
        name=name or f"imported-{fingerprint[:8]}",
        tags={**(tags or {}), "imported": "true"},
        is_training=False,
    )


def find_run(fingerprint: str) -> ModelRun | None:
    """The run of a model, unchanged; None where there is none or the store does not answer."""
    if _store is None or not _retries[RECORDS].is_due():
        return None
    quieten()
    found_by = (FINGERPRINT_TAG, fingerprint)
    try:
        client = connect(_store)
        if find_by_tag(client, experiment_id(client, _store), found_by) is None:
            return None
    except store_errors() as error:
        _retries[RECORDS].fail(error)
        return None
    return _open(found_by, name="", tags=None, is_training=False)


def fingerprint_of(name: str, store: Store) -> str | None:
    """The fingerprint of a run id, `[models:/]name@alias` or `[models:/]name/version`; None for other names.

    Raises:
        ValueError: the store has no such run or version, or does not answer.
    """
    version = _VERSION.fullmatch(name)
    if not _RUN_ID.fullmatch(name) and not version:
        return None
    quieten()
    try:
        client = connect(store)
        if not version:
            tags = client.get_run(name).data.tags
        elif version["alias"]:
            tags = client.get_model_version_by_alias(version["name"], version["alias"]).tags
        else:
            tags = client.get_model_version(version["name"], version["number"]).tags
    except store_errors() as error:
        raise ValueError(f"{name}: MLflow's store has no such model ({in_short(error)})") from error
    if FINGERPRINT_TAG not in tags:
        raise ValueError(f"{name} has no fingerprint, so it is not a model of this project")
    return str(tags[FINGERPRINT_TAG])


def run_tags(fingerprint: str) -> dict[str, str]:
    """The tags of a model's run; empty without a run or without an answer from the store. Creates no run."""
    found = find_run(fingerprint)
    return {} if found is None else found.tags()


def send_spooled_runs() -> list[str]:
    """Send the spooled records of every run. Returns the runs' names.

    Raises:
        ValueError: the store does not accept all records, or is not the store that they belong to.
    """
    assert _store is not None
    quieten()
    address = _address(_store)
    sent = []
    for spool in spooled_runs(_spool_root(_store)):
        spec = spool.spec()
        if spec.store != address:
            raise ValueError(
                f"{spool.folder} contains records for {spec.store}, but MLFLOW_TRACKING_URI is {address}: set it "
                "to the former, or write the new address into opening.json there if the server has moved"
            )
        try:
            connect(_store)
        except store_errors() as error:
            raise ValueError(
                f"MLflow's store does not answer, so all records stay in data/.unsent: {in_short(error)}"
            ) from error
        if not ModelRun(_store, spec, spool, _retries).sync():
            raise ValueError(f"MLflow's store does not accept all records; the rest stays in {spool.folder}")
        sent.append(spec.name)
    return sent


def has_spooled(store: Store, fingerprint: str) -> bool:
    """Whether records of a model's run are still spooled."""
    found_by = (FINGERPRINT_TAG, fingerprint)
    return any(spool.spec().found_by == found_by for spool in spooled_runs(_spool_root(store)))


def rename_model(store: Store, earlier: str, fingerprint: str) -> None:
    """Tag the run and the registered versions of a model with its new fingerprint. Another tag keeps the earlier one.

    A second call changes nothing, and completes an interrupted call.

    Raises:
        ValueError: the store does not answer, or some records of the run are still spooled.
    """
    if has_spooled(store, earlier):
        raise ValueError(f"MLflow lacks some records of its run: run `{SYNC_COMMAND}` first")
    quieten()
    condition = f"tags.{FINGERPRINT_TAG} = '{earlier}'"
    with plain_errors():
        client = connect(store)
        for run in tagged_runs(client, experiment_id(client, store), condition):
            known = run.data.tags.get(EARLIER_TAG, "")
            client.set_tag(run.info.run_id, EARLIER_TAG, _joined(known, earlier))
            # Last, since the next call looks for this tag.
            client.set_tag(run.info.run_id, FINGERPRINT_TAG, fingerprint)
        for version in client.search_model_versions(condition):
            known = version.tags.get(EARLIER_TAG, "")
            for tag, value in ((EARLIER_TAG, _joined(known, earlier)), (FINGERPRINT_TAG, fingerprint)):
                client.set_model_version_tag(version.name, version.version, tag, value)


def remind_of_spool() -> None:
    """Log the command that sends spooled records, if there are any."""
    if _store is not None and spooled_runs(_spool_root(_store)):
        logger.warning("%s contains records that MLflow lacks: send them with `%s`", FOLDER, SYNC_COMMAND)


def _open(
    found_by: tuple[str, str], *, name: str, tags: Mapping[str, str] | None, is_training: bool
) -> ModelRun:
    if _store is None:
        logger.debug("Tracking is not configured: run %s is not tracked.", name)
        return UntrackedRun()
    quieten()
    spec = RunSpec(
        store=_address(_store),
        found_by=found_by,
        name=name,
        tags={
            **origin_tags(_store.project_path),
            **_store.tags,
            **(tags or {}),
            found_by[0]: found_by[1],
        },
        started=int(time.time() * 1000),
        is_training=is_training,
    )
    run = ModelRun(_store, spec, Spool(_spool_root(_store), spec), _retries)
    run.open()
    return run


@cache
def _show_address(uri: str) -> None:
    logger.info("%s names the store %s", VARIABLE, without_passwords(uri))


def _joined(known: str, earlier: str) -> str:
    return " ".join(dict.fromkeys((*known.split(), earlier)))


def _spool_root(store: Store) -> Path:
    return outside_copy(store.project_path) / FOLDER


def _address(store: Store) -> str:
    """The store's address. The project's own store keeps its address when the project moves."""
    own = outside_copy(store.project_path) / "mlruns" / "mlflow.db"
    return "mlruns/mlflow.db" if store.file == own else without_passwords(store.uri)
