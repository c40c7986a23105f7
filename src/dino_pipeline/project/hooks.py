"""Hooks around a run: check sizes, log each node, set tracking up, link DVC's copies, mark a failed model."""

import logging
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from dino_pipeline import tracking
from dino_pipeline.workspace.experiment_copy import link_untracked_data

FAILURE_TAG = "failed_after_training"
_WITHOUT_A_MODEL = {"ingest", "pretrain", "tune", "compare", "dry_run"}

logger = logging.getLogger(__name__)


class SizeHooks:
    """Refuse values before a training that would only fail after it."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check the size of extraction against the network to train.

        Raises:
            ValueError: the sizes do not fit; names the parameter, its value and the remedy.
        """
        stages = {tag for node in pipeline.nodes for tag in node.tags}
        if not {"pretrain", "extract"} <= stages:
            return
        pretrain, model, extract = (
            catalog.load(f"params:{name}") for name in ("pretrain", "model", "extract")
        )
        if pretrain.initial_weights or model.checkpoint:
            return  # these weights decide the network, and are not read yet
        import torch

        from dino_pipeline.dino.core.models.backbone import build_backbone
        from dino_pipeline.dino.training.validation import check_whole_patches

        for network in (pretrain.network, pretrain.frozen_teacher):
            if network is not None:
                with torch.device("meta"):  # shapes without memory
                    backbone = build_backbone(network)
                check_whole_patches(backbone, {"extract.crop": extract.crop})


class StageHooks:
    """Log which node runs. conf/logging.yml turns Kedro's own lines about every load and save off."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Log the node's name."""
        logger.info("%s ...", node.short_name.removesuffix("_node").replace("_", " "))


class ExperimentHooks:
    """Add to DVC's copy of an experiment what git and DVC do not put there."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Link the project's data before a node looks for them."""
        link_untracked_data(Path(context.project_path).resolve())


class ModelRunHooks:
    """Set tracking up, and mark a model's run when a stage after its training fails."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Configure tracking with the project's folder and the recipe."""
        recipe = context.config_loader["globals"]["recipe"]
        tracking.configure(Path(context.project_path), {"recipe": recipe})

    @hook_impl
    def on_node_error(self, error: Exception, node: Node, catalog: DataCatalog) -> None:
        """Tag the model's run with the failure of a stage after training."""
        fingerprint = _trained_fingerprint(catalog) if node.tags - _WITHOUT_A_MODEL else None
        if fingerprint:
            text = f"{node.short_name}: {type(error).__name__}: {error}"
            tracking.model_run(fingerprint).set_tags({FAILURE_TAG: text})

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Remove the tag once those stages succeed, and log whether records are still spooled."""
        stages = {tag for node in pipeline.nodes for tag in node.tags}
        fingerprint = _trained_fingerprint(catalog) if stages - _WITHOUT_A_MODEL else None
        if fingerprint:
            tracking.model_run(fingerprint).remove_tag(FAILURE_TAG)
        tracking.remind_of_spool()


def _trained_fingerprint(catalog: DataCatalog) -> str | None:
    from dino_pipeline.dino.weights.published import read_model

    try:
        folder: Any = catalog.load("model")
    except DatasetError:
        return None
    return read_model(folder).fingerprint
