"""From what a person calls a model (a run, a registered version) to the fingerprint that tells it."""

import re

from dino_pipeline.tracking.store import Store, connect, in_short, outages, quieten
from dino_pipeline.tracking.tracker import FINGERPRINT_TAG, find_run

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"(?:models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")


def fingerprint_of(name: str, store: Store) -> str | None:
    """The fingerprint of a run id or of `[models:/]name@alias` or `[models:/]name/version`; None for other names.

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
    except outages() as error:
        raise ValueError(f"{name}: MLflow's store has no such model ({in_short(error)})") from error
    if FINGERPRINT_TAG not in tags:
        raise ValueError(f"{name} bears no fingerprint: it is not a model of this project")
    return str(tags[FINGERPRINT_TAG])


def run_tags(fingerprint: str) -> dict[str, str]:
    """Tags of the run of a model; none where no run has it, or the store does not answer. Makes no run."""
    found = find_run(fingerprint)
    return {} if found is None else found.tags()
