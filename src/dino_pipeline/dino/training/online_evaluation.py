"""Evaluation during training: k-NN accuracy of teacher and student on validation, feature std and effective rank."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.distributed import gather_rows, rank, world_size
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.student_teacher import MultiCropNetwork
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.features.evaluation_transform import normalise, readable_loader
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.dino.metrics.feature_statistics import effective_rank, feature_std
from dino_pipeline.dino.metrics.knn import knn_rank_classes
from dino_pipeline.dino.progress import beat
from dino_pipeline.dino.training.config import MonitoringConfig

_BATCH = 128


class FeatureQuality(NamedTuple):
    """The evaluation results of one network."""

    effective_rank: float
    feature_std: float
    correct: Tensor | None  # bool [queries], by k-NN; None without labels

    @property
    def accuracy(self) -> float:
        """Share of correct queries in [0, 1]. Needs labels."""
        assert self.correct is not None
        return int(self.correct.sum()) / len(self.correct)


class OnlineEvaluation:
    """Evaluates on evenly spaced images of train and val; every process extracts the features of its share.

    An image that cannot be read is left out of train; in val it counts as incorrect.
    """

    def __init__(
        self, manifest: Manifest, config: PretrainConfig, monitoring: MonitoringConfig, *, num_workers: int
    ) -> None:
        self.monitoring = monitoring
        self.transform = EvaluationTransformConfig(
            resize=monitoring.resize,
            crop=monitoring.crop,
            images=config.images,
            mean=config.statistics.mean,
            std=config.statistics.std,
        )
        self.num_workers = num_workers
        train, val = manifest.split("train"), manifest.split("val")
        self.bank = train.take(evenly_spaced(len(train), monitoring.max_images))
        self.queries = val.take(evenly_spaced(len(val), monitoring.max_images))

    def __call__(self, state: TrainingState, device: torch.device) -> dict[str, float]:
        """Metrics for the history. k-NN needs a label for every image."""
        values: dict[str, float] = {}
        for name, network in (("teacher", state.teacher), ("student", state.student)):
            judged = self.judge(network, device)
            values[f"feature_std_{name}"] = judged.feature_std
            values[f"effective_rank_{name}"] = judged.effective_rank
            if judged.correct is not None:
                values[f"knn_{name}"] = judged.accuracy
        return values

    def judge(self, network: MultiCropNetwork, device: torch.device) -> FeatureQuality:
        """Evaluate one network, image by image. Every process must call this."""
        was_training = network.training
        network.eval()
        features, readable = self._features(network.backbone, self.bank, device)
        bank, labelled = features[readable], self.bank.take(np.flatnonzero(readable.cpu().numpy()))
        correct = None
        if len(self.queries) and self.bank.is_labelled and self.queries.is_labelled:
            queries, found = self._features(network.backbone, self.queries, device)
            correct = (self._correct(bank, labelled, queries) & found).cpu()
        network.train(was_training)
        return FeatureQuality(effective_rank(bank), feature_std(bank), correct)

    @torch.inference_mode()
    def _features(
        self, backbone: Backbone, manifest: Manifest, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Features [images, dim], and a bool per image [images]: whether it could be read."""
        own = manifest.take(np.arange(rank(), len(manifest), world_size()))
        loader = readable_loader(own, self.transform, batch_size=_BATCH, num_workers=self.num_workers)
        dtype = next(backbone.parameters()).dtype
        features = [torch.empty(0, backbone.num_features, dtype=dtype, device=device)]
        readable = [torch.empty(0, dtype=torch.bool, device=device)]
        for images, is_readable in loader:
            beat()
            crops = normalise(images.to(device), self.transform.mean, self.transform.std)
            features.append(backbone(crops.to(dtype)))
            readable.append(is_readable.to(device))
        count = len(manifest)
        # gathered as integers, because not every backend reduces booleans
        found = gather_rows(torch.cat(readable)[:, None].to(torch.uint8), num_rows=count)[:, 0] > 0
        return gather_rows(torch.cat(features), num_rows=count).float(), found

    def _correct(self, bank: Tensor, labelled: Manifest, queries: Tensor) -> Tensor:
        """Bool [queries]: whether k-NN is correct. `labelled` are the bank's images."""
        classes = self.bank.class_names
        k = self.monitoring.num_neighbors
        ranked = knn_rank_classes(
            bank,
            torch.from_numpy(labelled.label_indices(classes)),
            queries,
            num_neighbors=[k],
            temperature=self.monitoring.temperature,
        )
        labels = torch.from_numpy(self.queries.label_indices(classes))
        return ranked[k][:, 0] == labels.to(bank.device)
