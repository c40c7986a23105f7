"""Train end to end with labels, from the teacher and from the starts that it is compared with."""

from dino_pipeline.dino.evaluation.fine_tune.config import FineTuneConfig
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Results


def run(context: Context[FineTuneConfig]) -> Results:
    """Train from each start and compute accuracies."""
    from dino_pipeline.dino.evaluation.fine_tune.measure import measure_fine_tuning, summary

    report = measure_fine_tuning(
        context.images, context.model, context.config, context.extract, device=context.device
    )
    results = report["results"]
    return Results(
        report=report,
        metrics={
            f"{start}/{name}": result[name]
            for start, result in results.items()
            for name in ("val", "test")
            if result[name] is not None
        },
        by_epoch=[
            {
                f"{start}/{name}": result[name][epoch]
                for start, result in results.items()
                for name in ("val_by_epoch", "loss_by_epoch")
            }
            for epoch in range(context.config.epochs)
            if results
        ],
        text=f"accuracy in percent after fine-tuning\n{summary(report)}",
    )


def plot(_context: Context[FineTuneConfig], results: Results) -> object:
    """Plot validation accuracy by epoch."""
    from dino_pipeline.evaluations.fine_tune.plot import picture

    return picture(results.report)


EVALUATION = Evaluation(
    name="fine_tune",
    description="End-to-end training with labels, from the teacher and from random weights; DVC does not watch a "
    "supervised file",
    config=FineTuneConfig,
    needs=("manifest", EXTRACT),
    after="pretrain",
    outputs={"fine_tune_metrics": "fine_tune.json", "fine_tune_picture": "fine_tune.png"},
    run=run,
    plot=plot,
)
