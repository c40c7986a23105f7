"""Show where k-NN of the teacher's features fails: classes, groups, confused pairs, and the most wrong images."""

from typing import Any

from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.evaluations.evaluation import FEATURES, Context, Evaluation, Results
from dino_pipeline.evaluations.failure_cards.config import FailureCardsConfig

_SHOWN = 10  # rows of each table in the log


def run(context: Context[FailureCardsConfig]) -> Results:
    """Classify a held-out split by the train images' votes, and gather the errors.

    Raises:
        ValueError: the features belong to another manifest.
    """
    from dino_pipeline.dino.evaluation.labels import missing_labels
    from dino_pipeline.evaluations.failure_cards import measure

    config, features, device = context.config, context.features["teacher"], context.device
    manifest = context.inputs["manifest"]
    if features.row_ids.tolist() != list(range(len(manifest))):
        raise ValueError(
            "the teacher's features belong to another manifest: compute them again with kedro run "
            "--pipeline=extract"
        )
    reasons = missing_labels(features)
    reason = reasons.get("train") or reasons.get(config.split)
    report: dict[str, Any] = {"split": config.split, "skipped": {"results": reason} if reason else {}}
    if reason:
        text = f"failure cards skipped: {reason}"
        return Results(
            report=report, metrics={}, text=text, tables={"failure_cards": _table([], manifest)}, drawn=[]
        )

    train, held_out = features.split("train"), features.split(config.split)
    classified = measure.classify(
        train,
        held_out,
        num_neighbors=config.num_neighbors,
        temperature=config.temperature,
        device=device,
    )
    cards = measure.failure_cards(
        train,
        held_out,
        classified,
        num_cards=config.cards.num_listed,
        num_neighbors=config.cards.num_neighbors,
        device=device,
    )
    groups = _groups(manifest, held_out.row_ids)
    is_right = classified.is_right
    report |= {
        "num_images": len(held_out),
        "num_wrong": int((~is_right).sum()),
        "accuracy": float(is_right.mean()),
        "classes": measure.accuracies(classified.labels.tolist(), is_right),
        "groups": measure.accuracies(groups, is_right) if groups else {},
        "confusions": measure.confusions(classified, config.num_confusions),
    }
    if not groups:
        report["skipped"]["groups"] = "the manifest has no groups"
    return Results(
        report=report,
        metrics=_metrics(report),
        text=f"k-NN on {config.split} in percent, the worst first\n{_text(report)}",
        tables={"failure_cards": _table(cards, manifest)},
        drawn=cards,
    )


def plot(context: Context[FailureCardsConfig], results: Results) -> object:
    """Plot the most wrong images with their nearest train images."""
    from dino_pipeline.evaluations.failure_cards.plot import cards_picture, words_picture

    config = context.config.cards
    if not results.drawn:
        reason = results.report["skipped"].get("results")
        return words_picture(f"skipped: {reason}" if reason else "no image is misclassified")
    return cards_picture(results.drawn[: config.num_shown], context.images, image_size=config.image_size)


def _groups(manifest: Any, row_ids: Any) -> list[str]:
    """The group of each image; an image without one gets the group `none`. Empty where the manifest has no groups."""
    if "group" not in manifest or manifest["group"].isna().all():
        return []
    groups: list[str] = manifest["group"].fillna("none").astype(str).iloc[row_ids].tolist()
    return groups


def _metrics(report: dict[str, Any]) -> dict[str, float]:
    """The worst and the mean only: names of classes and groups may contain characters that MLflow refuses."""
    metrics = {"accuracy": report["accuracy"]}
    for kind, name in (("classes", "class"), ("groups", "group")):
        values = [measured["accuracy"] for measured in report[kind].values()]
        if values:
            metrics |= {
                f"worst_{name}_accuracy": min(values),
                f"mean_{name}_accuracy": sum(values) / len(values),
            }
    return metrics


def _text(report: dict[str, Any]) -> str:
    lines = []
    for kind, title in (("classes", "class"), ("groups", "group")):
        worst = sorted(report[kind].items(), key=lambda item: (item[1]["accuracy"], item[0]))[:_SHOWN]
        rows = [[name, f"{100 * of['accuracy']:.1f}", f"{of['num_images']:,}"] for name, of in worst]
        lines += [aligned([[title, "accuracy", "images"], *rows])] if rows else []
    confused = [
        [f"{pair['label']} as {pair['predicted']}", f"{100 * pair['share']:.1f}", f"{pair['num_images']:,}"]
        for pair in report["confusions"][:_SHOWN]
    ]
    lines += [aligned([["confused", "of its class", "images"], *confused])] if confused else []
    lines += [f"{what} skipped: {reason}" for what, reason in report["skipped"].items()]
    return "\n".join(lines)


def _table(cards: Any, manifest: Any) -> Any:
    """A row per card. Each neighbour has its name (`path:member` in an archive), class and cosine."""
    import pandas as pd

    def name(row_id: int) -> str:
        path, member = manifest["path"].iloc[row_id], manifest["member"].iloc[row_id]
        return str(path) if pd.isna(member) else f"{path}:{member}"

    rows = []
    for card in cards:
        row: dict[str, Any] = {"row_id": card.row_id, "image": name(card.row_id)}
        if "group" in manifest:
            row["group"] = manifest["group"].iloc[card.row_id]
        row |= {"label": card.label, "predicted": card.predicted}
        row |= {key: round(getattr(card, key), 6) for key in ("margin", "label_share", "predicted_share")}
        for place, neighbor in enumerate(card.neighbors, start=1):
            row[f"neighbor_{place}"] = name(neighbor.row_id)
            row[f"neighbor_{place}_label"] = neighbor.label
            row[f"neighbor_{place}_cosine"] = round(neighbor.cosine, 6)
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["row_id", "image", "label", "predicted", "margin"])


EVALUATION = Evaluation(
    name="failure_cards",
    description="Classes, groups and pairs of classes that k-NN gets wrong, and the most wrong images",
    config=FailureCardsConfig,
    needs=("manifest", FEATURES["teacher"]),
    after="extract",
    outputs={
        "failure_cards_report": "failure_cards.json",
        "failure_cards": "failure_cards.csv",
        "failure_cards_picture": "failure_cards.png",
    },
    run=run,
    plot=plot,
)
