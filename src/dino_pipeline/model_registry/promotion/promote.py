"""Promote a challenger to champion, or roll that back. Check, measure and log first; move the alias last."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.baselines import pixel_features
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.model_registry.config import PromoteConfig
from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model, known_models, model_of
from dino_pipeline.model_registry.promotion.audit_record import AuditRecord, Comparison, promotion_to_undo
from dino_pipeline.model_registry.promotion.comparison import compare, comparison_images
from dino_pipeline.model_registry.promotion.exported_model import ExportedModel, load_exported_model
from dino_pipeline.model_registry.promotion.preconditions import clean_commit, current_commit, obtainable_data
from dino_pipeline.tracking.git_info import origin_tags
from dino_pipeline.tracking.registry import (
    Version,
    aliased_version,
    append_audit_record,
    move_alias,
    read_audit_records,
    registered_version,
)
from dino_pipeline.tracking.runs import FINGERPRINT_TAG
from dino_pipeline.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The store of versions, runs and the log."""

    client: "MlflowClient"
    store: Store
    alias: str  # of the champion

    def records(self, name: str) -> list[AuditRecord]:
        """The log of a registered model, the oldest record first."""
        return [from_dict(AuditRecord, entry) for entry in read_audit_records(self.client, self.store, name)]

    def champion(self, name: str) -> Version | None:
        """The version that has the alias; None if none has it."""
        return aliased_version(self.client, name, self.alias)


def promote(
    registry: Registry,
    challenger: Version,
    config: PromoteConfig,
    extract: ExtractConfig,
    *,
    reason: str | None,
    num_hashed: int | None,
) -> AuditRecord:
    """Make the challenger the champion if it is better on the validation images of its own data.

    Args:
        extract: loading of images; each version has its own sizes and normalisation.
        reason: required without labels, and for a first champion that raw pixels beat.
        num_hashed: number of images to hash again; None: all.

    Raises:
        ValueError: its gain is less than `config` requires, or a precondition fails; nothing was changed.
    """
    project = registry.store.project_path
    champion = registry.champion(challenger.name)
    if champion and champion.number == challenger.number:
        raise ValueError(f"{challenger} is already the champion")
    commit = clean_commit(project)
    models = known_models(registry.client, registry.store)
    manifest = obtainable_data(
        _model(models, challenger), models, registry.client, project, num_hashed=num_hashed
    )
    digest = _model(models, champion).data_digest if champion else None
    stored = find_manifest(digest, models, registry.client, project) if digest else None
    images = comparison_images(manifest, stored.manifest if stored else None)
    if not images.are_labelled and not reason:
        raise ValueError(
            "this data has no labels, so no accuracy shows which version is better: give the reason with "
            "--reason"
        )
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare(
            *_contenders(registry, champion, challenger, extract, Path(folder)), images, config, extract
        )
    if champion or not reason:  # a reason excuses a first champion that is worse than raw pixels
        require_gain(comparison, config)
    record = _record(registry, "promotion", champion, challenger, comparison, commit, reason)
    _carry_out(registry, record, champion, challenger)
    return record


def roll_back(registry: Registry, name: str, number: int | None, *, reason: str | None) -> AuditRecord:
    """Return the alias to the previous champion. The log gets the promotion's comparison, reversed.

    A rollback measures nothing and needs neither data nor a clean tree, since it is for emergencies.

    Args:
        number: the version to return to; checked if given.

    Raises:
        ValueError: there is no reason, or no previous champion.
    """
    if not reason:
        raise ValueError(
            "a rollback needs --reason: the measurements favoured the champion when it was promoted"
        )
    champion = registry.champion(name)
    last = promotion_to_undo(registry.records(name), champion.number if champion else None)
    assert last.before is not None  # `promotion_to_undo` checks it
    if number not in (None, last.before):
        raise ValueError(f"the champion before version {last.after} was version {last.before}, not {number}")
    target = registered_version(registry.client, name, last.before)
    commit = current_commit(registry.store.project_path)
    record = _record(registry, "rollback", champion, target, last.comparison.reversed(), commit, reason)
    _carry_out(registry, record, champion, target)
    return record


def require_gain(comparison: Comparison, config: PromoteConfig) -> None:
    """Check that the gain is large enough, and more than chance.

    Raises:
        ValueError: the gain is too small; the message gives the measurements.
    """
    if comparison.interval is None:
        return  # a person decided
    if comparison.gain < config.minimum_gain or comparison.interval[0] <= 0:
        raise ValueError(
            f"not promoted: {comparison}; required are at least {100 * config.minimum_gain:+g} points "
            "(promote.minimum_gain) and an interval above 0"
        )


def _model(models: Sequence[Model], version: Version) -> Model:
    if FINGERPRINT_TAG not in version.tags:
        raise ValueError(f"{version} has no fingerprint, so it is not a model of this project")
    return model_of(models, version.tags[FINGERPRINT_TAG])


def _contenders(
    registry: Registry, champion: Version | None, challenger: Version, extract: ExtractConfig, folder: Path
) -> tuple[ExportedModel, ExportedModel]:
    """The champion, or raw pixels if there is none, and the challenger."""
    device = compute.device()
    new = load_exported_model(registry.client, challenger, folder / "challenger", device=device)
    if champion is None:
        return ExportedModel(pixel_features(new.transform, extract.baselines), new.transform), new
    return load_exported_model(registry.client, champion, folder / "champion", device=device), new


def _record(
    registry: Registry,
    kind: str,
    before: Version | None,
    after: Version,
    comparison: Comparison,
    commit: str,
    reason: str | None,
) -> AuditRecord:
    return from_dict(
        AuditRecord,
        {
            "kind": kind,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "who": origin_tags(registry.store.project_path).get("mlflow.user", "unknown"),
            "before": before.number if before else None,
            "after": after.number,
            "comparison": comparison,
            "commit": commit,
            "reason": reason,
        },
    )


def _carry_out(registry: Registry, record: AuditRecord, before: Version | None, after: Version) -> None:
    """Log the record, then move the alias. If the move fails, `--log` shows the difference, which can be repaired.

    Raises:
        ValueError: the champion is no longer the one of the comparison.
    """
    if registry.champion(after.name) != before:
        raise ValueError(
            f"another process changed the champion of {after.name} meanwhile: run the command again"
        )
    numbers = {
        "before": record.comparison.before,
        "after": record.comparison.after,
        "gain": record.comparison.gain,
    }
    if record.comparison.interval:
        numbers |= dict(zip(("low", "high"), record.comparison.interval, strict=True))
    append_audit_record(
        registry.client,
        registry.store,
        after.name,
        to_dict(record),
        title=f"{after.name}: {record.kind} {record.before or 'none'} to {record.after}",
        metrics=numbers,
    )
    move_alias(registry.client, after, registry.alias)
