"""Search train images with held-out images, and revisited data sets where they are given."""

from dino_pipeline.dino.evaluation.retrieval.config import RetrievalConfig
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Results


def run(context: Context[RetrievalConfig]) -> Results:
    """Search by teacher, student and random network."""
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.retrieval.retrieve import (
        check_data,
        flat_metrics,
        retrieval_table,
        retrieve,
    )

    images, config, device = context.images, context.config, context.device
    root = context.project_folder
    check_data(images, config, root=root)
    networks = load_networks(context.model, images.split("train"), context.extract, device=device)
    retrieved = retrieve(images, networks, config, context.extract, root=root, device=device)
    return Results(
        report=retrieved.report,
        metrics=flat_metrics(retrieved.report),
        text=f"retrieval in percent\n{retrieval_table(retrieved.report)}",
        drawn=retrieved,
    )


def plot(context: Context[RetrievalConfig], results: Results) -> object:
    """Plot some queries with the teacher's nearest neighbours."""
    from dino_pipeline.evaluations.retrieval.plot import neighbors_picture

    return neighbors_picture(results.drawn.searched, results.drawn.criterion, context.config.picture)


EVALUATION = Evaluation(
    name="retrieval",
    description="Held-out images search train images; revisited Oxford and Paris if parameters give their folders",
    config=RetrievalConfig,
    needs=("manifest", EXTRACT),
    after="pretrain",
    outputs={"retrieval_metrics": "retrieval.json", "retrieval_picture": "retrieval.png"},
    run=run,
    plot=plot,
)
