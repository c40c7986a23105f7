"""Explain the numbers in plain words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dino_pipeline.dino.metrics.collapse import Settings, diagnose

NAMES = {
    "teacher": "teacher",
    "student": "student",
    "frozen_teacher": "the frozen teacher",
    "random": "random initialisation",
    "pixels": "raw pixels",
    "histogram": "colour histogram",
}
BASELINES = ("random", "pixels", "histogram")
_CERTAIN = 2  # standard errors
_SPACE = "\N{NO-BREAK SPACE}"

Tone = Literal["good", "unclear", "bad"]


@dataclass(frozen=True, kw_only=True)
class ModelVerdict:
    """A headline, the sentences that support it, and its tone."""

    tone: Tone
    headline: str
    sentences: list[str]


def verdict(
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    *,
    training: Settings | None,
    was_trained_here: bool,
    num_neighbors: int,
) -> ModelVerdict:
    """Judge the teacher on held-out images against its baselines, and the training by its last steps.

    Args:
        metrics: the measures of evaluation.
        history: rows of the training's history.
        training: settings of the collapse diagnosis; None for a loss without distributions.
        was_trained_here: False for imported weights, whose training is unknown.
        num_neighbors: the k of the quoted accuracies.
    """
    split = "test" if metrics["num_images"]["test"] else "val"
    measured = f"knn_{num_neighbors}" in metrics[split]["teacher"]
    judged = (
        _judge_accuracy(metrics, split, f"knn_{num_neighbors}") if measured else _describe(metrics, split)
    )
    if not was_trained_here:
        sentences = [*judged.sentences, "The weights were imported, so there is no record of their training."]
        return ModelVerdict(tone=judged.tone, headline=judged.headline, sentences=sentences)
    collapse = diagnose(history, training)
    sentence = f"The training shows a {collapse}." if collapse else _loss_sentence(history, training)
    sentences = [*judged.sentences, sentence]
    return ModelVerdict(
        tone="bad" if collapse else judged.tone, headline=judged.headline, sentences=sentences
    )


def _judge_accuracy(metrics: Mapping[str, Any], split: str, key: str) -> ModelVerdict:
    accuracy = {name: values[key] for name, values in metrics[split].items()}
    num_images = metrics["num_images"][split]
    best = max(BASELINES, key=lambda name: accuracy[name])
    over_best = _Difference.of(accuracy["teacher"], accuracy[best], num_images)
    over_random = _Difference.of(accuracy["teacher"], accuracy["random"], num_images)
    headline = (
        f"The teacher's features classify {_percent(accuracy['teacher'])} of the held-out images; "
        f"random initialisation {_percent(accuracy['random'])}, raw pixels {_percent(accuracy['pixels'])}."
    )
    rival = f"{NAMES[best]} ({_percent(accuracy[best])})"
    if over_best.is_gain:
        tone: Tone = "good"
        meaning = f"The network learned: {over_best} more than the best baseline, {rival}."
    elif over_random.is_gain and best != "random":
        tone = "unclear"
        than = "still does better" if over_best.is_loss else "does as well"
        meaning = f"The network learned something, {over_random} more than random initialisation, but {rival} {than}."
    elif over_random.is_loss:
        tone = "bad"
        meaning = (
            f"The network learned nothing useful: {over_random} less than the same network before training."
        )
    else:
        tone = "unclear"
        meaning = f"No clear gain over the same network before training: a difference of {over_random}."
    sentences = [
        meaning,
        f"Guessing among the {metrics['num_classes']} classes gives about {_percent(1 / metrics['num_classes'])}.",
    ]
    student = accuracy.get("student", 0.0)  # imported weights may lack it
    over_teacher = _Difference.of(student, accuracy["teacher"], num_images)
    if over_teacher.is_gain:
        sentences.append(
            f"The student is {over_teacher} ahead of its teacher, which follows too slowly for so short a training: "
            "lower the teacher's momentum, or train longer."
        )
    return ModelVerdict(tone=tone, headline=headline, sentences=sentences)


@dataclass(frozen=True)
class _Difference:
    """The difference of two accuracies on the same images, with its standard error as if they were independent."""

    gain: float
    error: float

    @classmethod
    def of(cls, one: float, other: float, num_images: int) -> "_Difference":
        return cls(one - other, math.sqrt((one * (1 - one) + other * (1 - other)) / num_images))

    @property
    def is_gain(self) -> bool:
        return self.gain > _CERTAIN * self.error

    @property
    def is_loss(self) -> bool:
        return self.gain < -_CERTAIN * self.error

    def __str__(self) -> str:
        return f"{abs(self.gain) * 100:.1f} ± {self.error * 100:.1f} points"


def _describe(metrics: Mapping[str, Any], split: str) -> ModelVerdict:
    """The verdict without labels: the shape of the features."""
    rank = {name: metrics[split][name]["effective_rank"] for name in ("teacher", "random")}
    return ModelVerdict(
        tone="unclear",
        headline="Without labels there is no accuracy: judge by the neighbours below.",
        sentences=[
            "They should show the same kind of object as their query, not only the same colours.",
            f"The teacher's features of held-out images spread over {rank['teacher']:.1f} effective dimensions "
            f"(before training: {rank['random']:.1f}). At 1 they would all be alike.",
        ],
    )


def _loss_sentence(history: Sequence[Mapping[str, float]], training: Settings | None) -> str:
    if not history:
        return "There is no history of the training."
    went = f"The loss went from {history[0]['loss']:.2f} to {history[-1]['loss']:.2f}"
    if training is None:
        return f"{went}; this loss compares no distributions, so it cannot show a collapse: look at the effective rank."
    return (
        f"{went} (ln K = {math.log(training.num_prototypes):.2f}) and the training shows no sign of collapse."
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f}{_SPACE}%"
