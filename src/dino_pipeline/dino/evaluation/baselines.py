"""Baselines for a pretrained backbone: raw pixels, colour histograms, and the backbone before training."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.resampling import resample
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.config import BaselinesConfig, ExtractConfig
from dino_pipeline.dino.evaluation.extraction import FeatureBatch, FeatureFunction
from dino_pipeline.dino.features.evaluation_transform import evaluation_loader, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.features.sampling import evenly_spaced


def pixel_features(transform: EvaluationTransformConfig, config: BaselinesConfig) -> FeatureFunction:
    """The network's input crop, flattened. Crops above `pixels_size` are first resized to it."""
    size = config.pixels_size

    def features(images: Tensor) -> FeatureBatch:
        if images.shape[-1] > size:
            images = resample(images, (size, size))
        return FeatureBatch(normalise(images, transform.mean, transform.std).flatten(1), None)

    return features


def histogram_features(config: BaselinesConfig) -> FeatureFunction:
    """Histogram of the crop's colours, as shares that sum to 1."""
    bins = config.histogram_bins

    def features(images: Tensor) -> FeatureBatch:
        return FeatureBatch(color_histogram(images, bins), None)

    return features


def color_histogram(images: Tensor, bins: int) -> Tensor:
    """uint8 or uint16 [N, channels, H, W] to shares of pixels per colour.

    Returns:
        for up to three channels the joint histogram [N, bins^channels], with the first channel as the slowest axis. For
        more channels, whose joint histogram would be almost empty, the concatenated histograms of the channels
        [N, channels * bins].
    """
    num_levels = torch.iinfo(images.dtype).max + 1
    # Exact in float32, since the number of levels is a power of two, and faster than a division of whole numbers.
    levels = images.float().mul_(bins / num_levels).floor_().flatten(2)  # [N, channels, pixels]
    channels = levels.shape[1]
    if channels <= 3:
        num_cells = bins**channels
        cells = levels[:, 0]
        for channel in range(1, channels):
            cells = cells * bins + levels[:, channel]
    else:
        num_cells = channels * bins
        cells = (levels + bins * torch.arange(channels, device=images.device)[:, None]).flatten(1)
    counts = torch.zeros(len(images), num_cells, device=images.device)
    ones = torch.ones((), device=images.device).expand_as(cells)
    return counts.scatter_add_(1, cells.long(), ones) / cells.shape[1]


def random_backbone(
    backbone: BackboneConfig,
    train: Manifest,
    transform: EvaluationTransformConfig,
    config: ExtractConfig,
    *,
    device: torch.device,
) -> Backbone:
    """Build the same architecture, untrained. Batch norm, if any, gets its statistics from train images.

    With its initial statistics (mean 0, variance 1) a deep ConvNet's outputs are almost constant, which makes it too
    weak as a baseline.
    """
    with torch.random.fork_rng():  # a data loader also draws from this generator
        torch.manual_seed(config.baselines.random_seed)
        network = build_backbone(backbone).to(device)
        if any(isinstance(module, _BatchNorm) for module in network.modules()):
            measure_batch_norm(network, train, transform, config, device=device)
    return network.eval()


@torch.no_grad()
def measure_batch_norm(
    network: nn.Module,
    train: Manifest,
    transform: EvaluationTransformConfig,
    config: ExtractConfig,
    *,
    device: torch.device,
) -> None:
    """Set running statistics to the mean over batches of images that are spread evenly over `train`."""
    num_images = min(config.baselines.batch_norm_images, len(train))
    # Whole batches only: each counts equally, and a last batch of one image may have no variance.
    batch_size = min(config.batch_size, num_images)
    rows = evenly_spaced(len(train), num_images // batch_size * batch_size)
    images = train.take(rows)
    network.eval()
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
        layer.train()
    loader = evaluation_loader(images, transform, batch_size=batch_size, num_workers=config.num_workers)
    for batch in loader:
        network(normalise(batch.to(device), transform.mean, transform.std))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
