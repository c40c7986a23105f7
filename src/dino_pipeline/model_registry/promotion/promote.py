"""A challenger becomes the champion, or a rollback undoes that: asked, measured, written down, and only then done."""

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
from dino_pipeline.model_registry.lineage.code import present_commit
from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model, known_models, model_of
from dino_pipeline.model_registry.promotion.comparison import compare, questions
from dino_pipeline.model_registry.promotion.config import PromoteConfig
from dino_pipeline.model_registry.promotion.entry import Comparison, Entry
from dino_pipeline.model_registry.promotion.history import undone
from dino_pipeline.model_registry.promotion.refusals import clean_commit, obtainable_data
from dino_pipeline.model_registry.promotion.served import Served, load_served
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
    """Where versions, their runs and the log are."""

    client: "MlflowClient"
    store: Store
    alias: str  # that the champion bears

    def entries(self, name: str) -> list[Entry]:
        """The log of a registered model, the oldest entry first."""
        return [from_dict(Entry, entry) for entry in read_audit_records(self.client, self.store, name)]

    def champion(self, name: str) -> Version | None:
        """The version in use."""
        return aliased_version(self.client, name, self.alias)


def promote(
    registry: Registry,
    challenger: Version,
    config: PromoteConfig,
    extract: ExtractConfig,
    *,
    reason: str | None,
    num_hashed: int | None,
) -> Entry:
    """Make the challenger the champion where it is better on the validation images of its own data.

    Args:
        extract: how images are read; of sizes and normalisation each version has its own.
        reason: needed without labels, and for a first champion that raw pixels beat.
        num_hashed: images that are hashed again; None: all.

    Raises:
        ValueError: it is not better by what `config` asks, or something else stands against it; nothing was changed.
    """
    project = registry.store.project_path
    champion = registry.champion(challenger.name)
    if champion and champion.number == challenger.number:
        raise ValueError(f"{challenger} is the champion already")
    commit = clean_commit(project)
    models = known_models(registry.client, registry.store)
    manifest = obtainable_data(
        _model(models, challenger), models, registry.client, project, num_hashed=num_hashed
    )
    known = _model(models, champion).data_digest if champion else None
    kept = find_manifest(known, models, registry.client, project) if known else None
    asked = questions(manifest, kept.manifest if kept else None)
    if not asked.are_labelled and not reason:
        raise ValueError(
            "these data have no labels by which one could be called better: say why with --reason"
        )
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare(
            *_contenders(registry, champion, challenger, extract, Path(folder)), asked, config, extract
        )
    if champion or not reason:  # a first champion may be worse than raw pixels where a person says why
        require_gain(comparison, config)
    entry = _entry(registry, "promotion", champion, challenger, comparison, commit, reason)
    _carry_out(registry, entry, champion, challenger)
    return entry


def roll_back(registry: Registry, name: str, number: int | None, *, reason: str | None) -> Entry:
    """Give the alias back to the champion before; what was measured at the promotion stands in the log reversed.

    Nothing is measured again, and neither data nor a clean tree is asked for: a rollback is for the hour in which
    the champion turns out bad.

    Args:
        number: the version to return to, where the caller wants that checked.

    Raises:
        ValueError: no reason is given, or there is nothing to go back to.
    """
    if not reason:
        raise ValueError("a rollback needs --reason: the numbers spoke for the champion when it was promoted")
    champion = registry.champion(name)
    last = undone(registry.entries(name), champion.number if champion else None)
    assert last.before is not None  # `undone` sees to it
    if number not in (None, last.before):
        raise ValueError(f"the champion before version {last.after} was version {last.before}, not {number}")
    target = registered_version(registry.client, name, last.before)
    commit = present_commit(registry.store.project_path)
    entry = _entry(registry, "rollback", champion, target, last.comparison.reversed(), commit, reason)
    _carry_out(registry, entry, champion, target)
    return entry


def require_gain(comparison: Comparison, config: PromoteConfig) -> None:
    """Whether the gain is large enough, and more than chance.

    Raises:
        ValueError: it is not; says what was measured.
    """
    if comparison.interval is None:
        return  # a person decided
    if comparison.gain < config.minimum_gain or comparison.interval[0] <= 0:
        raise ValueError(
            f"not promoted: {comparison}; asked for are {100 * config.minimum_gain:+g} points at least "
            "(promote.minimum_gain) and an interval above 0"
        )


def _model(models: Sequence[Model], version: Version) -> Model:
    if FINGERPRINT_TAG not in version.tags:
        raise ValueError(f"{version} bears no fingerprint: it is not a model of this project")
    return model_of(models, version.tags[FINGERPRINT_TAG])


def _contenders(
    registry: Registry, champion: Version | None, challenger: Version, extract: ExtractConfig, folder: Path
) -> tuple[Served, Served]:
    """The champion, or raw pixels where there is none; and the challenger."""
    device = compute.device()
    new = load_served(registry.client, challenger, folder / "challenger", device=device)
    if champion is None:
        return Served(pixel_features(new.transform, extract.baselines), new.transform), new
    return load_served(registry.client, champion, folder / "champion", device=device), new


def _entry(
    registry: Registry,
    kind: str,
    before: Version | None,
    after: Version,
    comparison: Comparison,
    commit: str,
    reason: str | None,
) -> Entry:
    return from_dict(
        Entry,
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


def _carry_out(registry: Registry, entry: Entry, before: Version | None, after: Version) -> None:
    """Write the entry, then move the alias: what the log holds and the alias does not follow can be seen and mended.

    Raises:
        ValueError: the champion is no longer the one that was compared with.
    """
    if registry.champion(after.name) != before:
        raise ValueError(f"the champion of {after.name} changed meanwhile: run the command again")
    numbers = {
        "before": entry.comparison.before,
        "after": entry.comparison.after,
        "gain": entry.comparison.gain,
    }
    if entry.comparison.interval:
        numbers |= dict(zip(("low", "high"), entry.comparison.interval, strict=True))
    append_audit_record(
        registry.client,
        registry.store,
        after.name,
        to_dict(entry),
        title=f"{after.name}: {entry.kind} {entry.before or 'none'} to {entry.after}",
        metrics=numbers,
    )
    move_alias(registry.client, after, registry.alias)
