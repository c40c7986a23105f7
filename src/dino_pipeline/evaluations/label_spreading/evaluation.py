"""Spread a few labels to every image."""

from dino_pipeline.dino.evaluation.label_spreading.config import LabelSpreadingConfig
from dino_pipeline.evaluations.evaluation import FEATURES, Context, Evaluation, Results


def run(context: Context[LabelSpreadingConfig]) -> Results:
    """Label every image by the teacher's features, and compute the accuracy; the same with random features.

    Raises:
        ValueError: there are no labels to spread, or the features belong to another manifest.
    """
    from dino_pipeline.dino.evaluation.label_spreading import given as labels
    from dino_pipeline.dino.evaluation.label_spreading.spread import (
        measure_spreading,
        spread_labels,
        spread_table,
        summary,
    )

    images, config = context.images, context.config
    if config.labels is None:
        given = labels.draw_labels(images, config.fraction, seed=config.seed)
    else:
        given = labels.read_labels(context.project_folder / config.labels, images)
    networks = {}
    for name, features in context.features.items():
        if features.row_ids.tolist() != images.row_ids.tolist():
            raise ValueError(
                f"the {name}'s features belong to another manifest: compute them again with kedro run "
                "--pipeline=extract"
            )
        networks[name] = spread_labels(features.embedding, given, config, device=context.device)
    report = measure_spreading(images, given, networks)
    return Results(
        report=report,
        metrics={
            f"{network}/{split}_{name}": value
            for split, by_network in report["results"].items()
            for network, values in by_network.items()
            for name, value in values.items()
        },
        text=f"accuracy of spread labels in percent\n{summary(report)}",
        tables={"spread_labels": spread_table(images, given, networks["teacher"]).to_pandas()},
    )


EVALUATION = Evaluation(
    name="label_spreading",
    description="A label for every image from a few labels; DVC does not watch the CSV of label_spreading.labels",
    config=LabelSpreadingConfig,
    needs=("manifest", FEATURES["teacher"], FEATURES["random"]),
    after="extract",
    outputs={
        "spread_labels": "07_model_output/spread_labels.parquet",
        "label_spreading_metrics": "label_spreading.json",
    },
    run=run,
)
