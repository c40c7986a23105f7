"""Compute label-free measures of the features, and the data set's cleaning list."""

from dino_pipeline.dino.evaluation.data_quality.config import DataQualityConfig
from dino_pipeline.evaluations.evaluation import EXTRACT, FEATURES, Context, Evaluation, Results


def run(context: Context[DataQualityConfig]) -> Results:
    """Measure the features of every network, and make the cleaning list from the teacher's features."""
    import pandas as pd

    from dino_pipeline.dino.evaluation.data_quality.report import clean, in_words, network_figures, table

    images, config, features, device = context.images, context.config, context.features, context.device
    figures = network_figures(features, images, context.model, context.extract, config, device=device)
    cleaning = clean(features["teacher"], images, config, device=device)
    return Results(
        report={"figures": figures, "cleaning": cleaning.summary},
        metrics={
            f"{network}/{split}/{name}": value
            for split, networks_of_split in figures.items()
            for network, values in networks_of_split.items()
            for name, value in values.items()
        },
        text=f"features without labels\n{table(figures)}\n{in_words(cleaning.summary)}",
        tables={"cleaning_list": cleaning.table.to_pandas(types_mapper=pd.ArrowDtype)},
    )


def plot(context: Context[DataQualityConfig], results: Results) -> object:
    """Plot the largest clusters of near-duplicates and the strongest outliers."""
    from dino_pipeline.dino.core.config import from_dict
    from dino_pipeline.dino.core.data.images_config import ImagesConfig
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.data_quality.plot import contact_sheet

    read_as = from_dict(ImagesConfig, read_model(context.model).config["images"])
    return contact_sheet(results.tables["cleaning_list"], context.images, context.config.picture, read_as)


EVALUATION = Evaluation(
    name="data_quality",
    description="Label-free figures of the features, and the data set's cleaning list",
    config=DataQualityConfig,
    needs=("manifest", EXTRACT, FEATURES["teacher"], FEATURES["student"], FEATURES["random"]),
    after="extract",
    outputs={
        "data_quality": "data_quality.json",
        "cleaning_list": "cleaning_list.csv",
        "cleaning_picture": "cleaning_list.png",
    },
    run=run,
    plot=plot,
)
