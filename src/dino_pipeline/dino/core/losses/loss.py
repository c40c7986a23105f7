"""Input, output and base class of every loss, and how to build a loss by its name."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.losses.coding_rate import coding_rate
from dino_pipeline.dino.core.losses.config import LossConfig, is_own_class, methods
from dino_pipeline.dino.core.losses.koleo import koleo

_METHODS = "dino_pipeline.dino.core.losses.methods"


class LossInput(NamedTuple):
    """Outputs of student and teacher for this process's part of the batch."""

    student_logits: Tensor  # [crops, batch, logits], global crops first
    student_features: Tensor  # [crops, batch, dim], from the student's backbone
    student_embeddings: Tensor  # [crops, batch, bottleneck], from its head before predictor and prototypes
    # [global crops, batch, logits]; with gradient if student and teacher are one network.
    teacher_logits: Tensor
    teacher_temperature: float
    labels: Tensor | None = None  # [batch], for a loss with `needs_labels`; UNKNOWN_LABEL where unknown


class LossOutput(NamedTuple):
    """A loss with gradient, and metrics to record with it."""

    loss: Tensor  # a scalar
    metrics: Mapping[str, Tensor] = {}


class Loss(nn.Module):
    """A loss between student and teacher. Its buffers (a center, a queue) are part of the checkpoint.

    Subclass this for a method of your own and define `compare`; docs/methods.md shows an example.

    Raises:
        ValueError: `loss.options` do not fit the class's `Options`.
    """

    metrics: ClassVar[tuple[str, ...]] = ()  # names of `LossOutput.metrics`
    needs_labels: ClassVar[bool] = False
    Options: ClassVar[type[Any] | None] = None  # a @frozen class that types `loss.options`

    def __init__(self, config: LossConfig, num_logits: int) -> None:  # noqa: ARG002  subclasses use both
        super().__init__()
        self.koleo_weight = config.koleo_weight
        self.coding_rate_weight = config.coding_rate_weight
        self.coding_rate_epsilon = config.coding_rate_epsilon
        self.options: Any = _options(type(self), config.options)

    def forward(self, inputs: LossInput) -> LossOutput:
        """The loss of the method, plus the terms whose weights are not 0: KoLeo's, less the coding rate."""
        output = self.compare(inputs)
        loss, num_global = output.loss, len(inputs.teacher_logits)
        if self.koleo_weight:
            loss = loss + self.koleo_weight * koleo(inputs.student_features[:num_global].to(loss.dtype))
        if self.coding_rate_weight:
            embeddings = inputs.student_embeddings[:num_global].to(loss.dtype)
            loss = loss - self.coding_rate_weight * coding_rate(embeddings, epsilon=self.coding_rate_epsilon)
        return output._replace(loss=loss)

    def compare(self, inputs: LossInput) -> LossOutput:
        """Compute the loss of the method."""
        raise NotImplementedError

    def update(self, teacher_logits: Tensor, *, skip: Tensor) -> None:
        """Update the loss's own state. This is called once per step, after the loss is computed.

        Args:
            teacher_logits: [global crops, batch, logits], from all micro-batches of the step.
            skip: a bool; true leaves the state unchanged, bit for bit.
        """


def build_loss(config: LossConfig, num_logits: int, *, root: Path = Path()) -> Loss:
    """Build the loss that a configuration names.

    Args:
        num_logits: width of the logits.
        root: the project folder, which contains `my_loss.py` of `my_loss.py:MyLoss`.

    Raises:
        ValueError: there is no such loss, or its parameters are wrong.
    """
    loss = loss_class(config.name, root=root)(config, num_logits)
    if next(loss.parameters(), None) is not None:
        raise ValueError(
            f"pretrain.loss.name is {config.name}, which has weights, but the optimizer trains no weights of a "
            "loss: make them buffers, or use pretrain.predictor"
        )
    return loss


def loss_class(name: str, *, root: Path = Path()) -> type[Loss]:
    """The class of a shipped method, or the class that `file.py:Class` names in the user's project.

    Raises:
        ValueError: there is no such file or class, or the class does not derive from `Loss`.
    """
    if not is_own_class(name):
        module = import_module(f"{_METHODS}.{name}")
        found: type[Loss] = next(_losses_of(module))
        return found
    file, _, class_name = name.rpartition(":")
    own = getattr(_own_module(root / file, name), class_name, None)
    if not (isinstance(own, type) and issubclass(own, Loss)):
        raise ValueError(
            f"pretrain.loss.name is {name}, but {file} has no class {class_name} that derives from "
            "dino_pipeline.dino.core.losses.loss.Loss: give one that does"
        )
    return own


def _options(cls: type[Loss], values: Mapping[str, Any]) -> Any:
    if cls.Options is None:
        if values:
            raise ValueError(
                f"pretrain.loss.options is {values}, but {cls.__name__} takes none: set it to {{}}, or give the "
                "class an `Options`"
            )
        return None
    try:
        return from_dict(cls.Options, values)
    except ValidationError as error:
        raise ValueError("; ".join(map(_as_line, error.errors(include_url=False)))) from error


def _as_line(detail: Mapping[str, Any]) -> str:
    name = ".".join(("pretrain.loss.options", *map(str, detail["loc"])))
    if detail["type"] == "missing":
        return f"{name} is missing"
    return f"{name} is {detail['input']!r}: {detail['msg']}"


def _losses_of(module: Any) -> Any:
    return (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Loss) and value.__module__ == module.__name__
    )


def _own_module(path: Path, name: str) -> Any:
    if not path.is_file():
        raise ValueError(
            f"pretrain.loss.name is {name}, but {path} does not exist: give a file relative to the project "
            f"folder, or one of the shipped losses: {', '.join(methods())}"
        )
    key = f"dino_pipeline_own_loss_{path.stem}"
    spec = importlib.util.spec_from_file_location(key, path.absolute())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module  # before execution, because pydantic resolves annotations by the module's name
    spec.loader.exec_module(module)
    return module


def mean_over_pairs(term: Callable[[int, int], Tensor], num_student: int, num_teacher: int) -> Tensor:
    """Mean of `term(student view, teacher view)`, a scalar, over all pairs of different views.

    The teacher's views are the student's first views.
    """
    terms = [
        term(view, other) for view in range(num_student) for other in range(num_teacher) if view != other
    ]
    return torch.stack(terms).mean()


def at_least_float32(logits: Tensor) -> Tensor:
    """Convert half-precision logits to float32 and leave others as they are. For a loss without buffers."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
