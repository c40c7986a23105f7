"""Train logistic regression and k-NN on stored features with shares of the train labels."""

from dino_pipeline.dino.evaluation.low_shot.config import LowShotConfig
from dino_pipeline.evaluations.evaluation import FEATURES, Context, Evaluation, Results

_NETWORKS = ("teacher", "student", "random", "pixels", "histogram")


def run(context: Context[LowShotConfig]) -> Results:
    """Compute accuracies of every network, on the same samples."""
    from dino_pipeline.dino.evaluation.low_shot.measure import low_shot, table

    features = context.features
    groups = context.images.take(next(iter(features.values())).split("train").row_ids).groups
    report = low_shot(features, context.config, device=context.device, groups=groups)
    metrics = {
        f"{network}/{classifier}_{share}_{split}": measured[split]
        for share, by_network in report["results"].items()
        for network, by_classifier in by_network.items()
        for classifier, measured in by_classifier.items()
        for split in ("val", "test")
        if measured[split] is not None
    }
    text = f"accuracy in percent, with 95 % intervals over draws\n{table(report)}"
    return Results(report=report, metrics=metrics, text=text)


def plot(_context: Context[LowShotConfig], results: Results) -> object:
    """Plot accuracy against the number of labels."""
    from dino_pipeline.evaluations.low_shot.plot import picture

    return picture(results.report)


EVALUATION = Evaluation(
    name="low_shot",
    description="Logistic regression and k-NN on few labels",
    config=LowShotConfig,
    needs=("manifest", *(FEATURES[network] for network in _NETWORKS)),
    after="extract",
    outputs={"low_shot_metrics": "low_shot.json", "low_shot_picture": "low_shot.png"},
    run=run,
    plot=plot,
)
