"""Plot the training's history as charts, each with a description of a healthy curve."""

import math
from collections.abc import Iterable, Mapping

from dino_pipeline.dino.training.history import Rows
from dino_pipeline.plotting.charts import Chart, Color, Level, Line

_NETWORKS: tuple[tuple[str, Color], ...] = (("teacher", "teacher"), ("student", "student"))
_SCHEDULES = {
    "learning_rate": ("Learning rate", "Warm-up, then a half cosine."),
    "weight_decay": ("Weight decay", "Rises, so that late training is regularised more."),
    "teacher_momentum": (
        "Teacher momentum",
        "How slowly the teacher follows the student; at 1 it does not move.",
    ),
    "teacher_temperature": (
        "Teacher temperature",
        "A low temperature gives sharp outputs. Too low leads to collapse to one prototype, too high to a "
        "uniform output.",
    ),
}


def training_charts(history: Rows, *, num_prototypes: int | None) -> list[Chart]:
    """How the training went: the loss, its components, and the quality of the features on the way.

    Args:
        num_prototypes: None for a loss without distributions.
    """
    if num_prototypes is None:
        loss = Chart(
            name="loss", title="Loss", caption="Between embeddings; falls.", lines=[_line(history, "loss")]
        )
        return [loss, _gradient_norm(history), *_online_charts(history)]
    uniform = Level(y=math.log(num_prototypes), label=f"ln K = {math.log(num_prototypes):.2f}")
    charts = [
        Chart(
            name="loss",
            title="Loss",
            caption=(
                "Starts near ln K, the value before any learning. It may rise when the last layer is unfrozen, "
                "and then falls. A flat line at ln K is a collapse. Its size says nothing about quality."
            ),
            lines=[_line(history, "loss")],
            levels=[uniform],
        ),
        Chart(
            name="entropy",
            title="Teacher entropy",
            caption=(
                "How uncertain the teacher is, in nats. At ln K its output is uniform (collapse); at 0 it is the "
                "same for every image, or certain for each. Healthy trainings lie between."
            ),
            lines=[_line(history, "teacher_entropy")],
            levels=[uniform],
            from_zero=True,
        ),
        Chart(
            name="kl",
            title="KL divergence, teacher to student",
            caption=(
                "Loss minus entropy: what the student has yet to learn. At 0 both networks give the same output, "
                "and nothing is left to learn."
            ),
            lines=[_line(history, "kl")],
            from_zero=True,
        ),
        _gradient_norm(history),
    ]
    return charts + _online_charts(history)


def schedule_charts(history: Rows) -> list[Chart]:
    """The values that change during training."""
    return [
        Chart(
            name=column.replace("_", "-"),
            title=title,
            caption=caption,
            lines=[_line(history, column, color="muted")],
            is_small=True,
        )
        for column, (title, caption) in _SCHEDULES.items()
    ]


def timing_charts(timing: Rows) -> list[Chart]:
    """The speed of training, on the machine that trained."""
    return [
        Chart(
            name="throughput",
            title="Throughput",
            caption="Images per second, over all processes.",
            lines=[_line(timing, "images_per_second", x="step")],
            x_label="step",
            from_zero=True,
        ),
        Chart(
            name="data-wait",
            title="Waiting for data",
            caption="Share of the time in which the network had no batch. If it is more than a few percent, use more "
            "loader workers.",
            lines=[_line(timing, "data_wait_share", x="step", factor=100)],
            x_label="step",
            from_zero=True,
            is_percentage=True,
        ),
    ]


def _gradient_norm(history: Rows) -> Chart:
    return Chart(
        name="gradient-norm",
        title="Gradient norm",
        caption="Before clipping. Spikes are common early; a steady rise is a warning.",
        lines=[_line(history, "gradient_norm")],
        from_zero=True,
    )


def _online_charts(history: Rows) -> list[Chart]:
    charts = []
    if any("knn_teacher" in row for row in history):
        charts.append(
            Chart(
                name="online-knn",
                title="k-NN on validation, while training",
                caption=(
                    "In a healthy training the teacher, an average of past students, is better than the student. "
                    "This curve, not the loss, shows whether the network learns."
                ),
                lines=_both(history, "knn", factor=100),
                is_percentage=True,
            )
        )
    if any("effective_rank_teacher" in row for row in history):
        charts.append(
            Chart(
                name="online-rank",
                title="Effective rank of the features",
                caption="The number of directions in which features differ, measured without labels. A fall towards "
                "1 is a collapse.",
                lines=_both(history, "effective_rank"),
                from_zero=True,
            )
        )
    return charts


def _both(history: Rows, quantity: str, factor: float = 1) -> list[Line]:
    return [
        _line(history, f"{quantity}_{network}", color=color, label=network, factor=factor, has_marks=True)
        for network, color in _NETWORKS
    ]


def _line(
    rows: Iterable[Mapping[str, float]],
    column: str,
    *,
    x: str = "epoch",
    color: Color = "teacher",
    label: str = "",
    factor: float = 1,
    has_marks: bool = False,
) -> Line:
    there = [row for row in rows if column in row]
    return Line(
        x=[row[x] for row in there],
        y=[factor * row[column] for row in there],
        color=color,
        label=label,
        has_marks=has_marks,
    )
