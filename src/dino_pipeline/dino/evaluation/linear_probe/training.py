"""Train linear classifiers of every network and learning rate in the same passes over the images.

The protocol is the paper's (arXiv:2104.14294, section 4.1; eval_linear.py of facebookresearch/dino): in every epoch a
new random crop of each train image, with random flips; SGD with momentum and without weight decay; weights from
N(0, 0.01); a cosine to zero over the epochs. All learning rates train together: each image is read and passes through
each network once per epoch, for any number of rates.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.distributed import gather_rows, world_size
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.extraction import FeatureFunction
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig, LinearTrainingConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import LinearProbes
from dino_pipeline.dino.evaluation.linear_probe.views import ProbeBatches, view_loader
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.progress import Progress


class ProbeTraining:
    """SGD of one network's classifiers, one per learning rate, with the same batches and initial weights."""

    def __init__(
        self, config: LinearTrainingConfig, *, num_classes: int, center: Tensor, scale: Tensor
    ) -> None:
        self.config = config
        # Drawn on the CPU, so that a GPU starts from the same weights.
        generator = torch.Generator().manual_seed(config.seed)
        start = torch.randn(len(center), 1, num_classes, generator=generator).to(center) * 0.01
        num_rates = len(config.learning_rates)
        weight = start.repeat(1, num_rates, 1)
        bias = center.new_zeros(num_rates, num_classes)
        self.probes = LinearProbes(center, scale, weight, bias)
        self.weight_velocity = torch.zeros_like(weight)
        self.bias_velocity = torch.zeros_like(bias)
        self.scratch = torch.empty_like(weight)  # new memory in each step takes longer than the arithmetic
        self.peak = center.new_tensor(config.learning_rates)[:, None] * config.batch_size / 256

    def step(self, features: Tensor, labels: Tensor, *, epoch: int) -> None:
        """Take one step of every classifier.

        Args:
            features: [images, dimensions], not normalised.
            labels: int64 [images], classes 0, 1, ...
        """
        momentum = self.config.momentum
        rate = self.peak * 0.5 * (1 + math.cos(math.pi * epoch / self.config.epochs))
        x = self.probes.normalise(features)
        error = self.probes.logits(x).softmax(dim=-1)  # becomes d loss / d logits
        error -= F.one_hot(labels, error.shape[-1]).unsqueeze(1)
        error /= len(features)
        torch.mm(x.T, error.flatten(1), out=self.scratch.flatten(1))  # d loss / d weight
        self.weight_velocity.mul_(momentum).add_(self.scratch)
        self.bias_velocity.mul_(momentum).add_(error.sum(dim=0))
        self.probes.weight.sub_(torch.mul(rate, self.weight_velocity, out=self.scratch))
        self.probes.bias.sub_(rate * self.bias_velocity)


def train_linear_probes(
    train: Manifest,
    functions: Mapping[str, FeatureFunction],
    normalisations: Mapping[str, tuple[Tensor, Tensor]],
    transform: EvaluationTransformConfig,
    config: LinearProbeConfig,
    *,
    num_workers: int,
    device: torch.device,
) -> dict[str, LinearProbes]:
    """Train the classifiers of each network, equal on every process.

    Each process runs the networks on its share of a batch. Then all take the same step on the whole batch's features.
    A process alone on a CPU runs the networks side by side, and makes the next batch meanwhile.

    Args:
        train: images, each with a label.
        functions: from crops to features, by the network's name.
        normalisations: center and scale of each network's features.
    """
    classes = train.class_names
    labels = torch.from_numpy(train.label_indices(classes)).to(device)
    training = {
        name: ProbeTraining(
            config, num_classes=len(classes), center=center.to(device), scale=scale.to(device)
        )
        for name, (center, scale) in normalisations.items()
    }

    @torch.inference_mode()  # in the thread that calls it
    def step(crops: Tensor, batch_labels: Tensor, epoch: int, name: str) -> None:
        own = functions[name](crops)
        features = own.embedding if own.linear is None else own.linear
        whole = gather_rows(features, num_rows=len(batch_labels))
        training[name].step(whole, batch_labels, epoch=epoch)

    batches = ProbeBatches(len(train), config)
    loader = iter(view_loader(train, batches, transform, config, num_workers=num_workers))
    is_alone = world_size() == 1 and device.type == "cpu"
    num_at_once = _num_at_once(len(functions)) if is_alone else 1
    with (
        compute.fixed_threads(torch.get_num_threads() // num_at_once),
        ThreadPoolExecutor(num_at_once) as pool,
        Progress("probe", total=config.epochs * len(train), unit="images") as progress,
    ):
        coming = pool.submit(next, loader)
        for epoch, positions in batches.whole():
            crops = coming.result().to(device, non_blocking=True)
            coming = pool.submit(next, loader, None)
            own_step = partial(step, crops, labels[positions.to(device)], epoch)
            list(pool.map(own_step, functions) if is_alone else map(own_step, functions))
            progress.update(len(positions))
    return {name: trained.probes for name, trained in training.items()}


def _num_at_once(num_networks: int) -> int:
    """The number of networks to run at once on torch's threads: with the fewest idle threads, as many as possible."""
    threads = torch.get_num_threads()
    return max(range(1, num_networks + 1), key=lambda number: (number * (threads // number), number))
