"""Names of dependencies that their documentation does not promise: each is here with the reason why we use it.

When an update breaks one of these tests, look at the user named in it before the version is allowed.
"""

import inspect
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import mlflow.entities
import pytest
import torch
import torchvision
from kedro.framework.session import KedroSession
from kedro.io import AbstractDataset
from kedro.pipeline import node, pipeline
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.pillow import ImageDataset
from kedro_datasets.text import TextDataset


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


# torch


def test_foreach_operations_take_lists_of_tensors() -> None:
    """The teacher's average and the clipping of gradients: one kernel for all parameters, as torch.optim does."""
    averages, tensors = [torch.zeros(2), torch.zeros(3)], [torch.ones(2), torch.ones(3)]
    torch._foreach_lerp_(averages, tensors, 0.25)
    assert [average.tolist() for average in averages] == [[0.25] * 2, [0.25] * 3]
    torch._foreach_mul_(averages, 2.0)
    norms = torch._foreach_norm(averages)
    assert [round(float(norm), 6) for norm in norms] == [0.707107, 0.866025]


def test_batch_norm_has_a_base_class_that_checks_dimensions() -> None:
    """`GlobalBatchNorm` replaces the forward pass and keeps buffers, names and options; baselines recognise any."""
    from torch.nn.modules.batchnorm import _BatchNorm

    assert issubclass(torch.nn.BatchNorm2d, _BatchNorm)
    assert parameters(_BatchNorm._check_input_dim) == ["self", "input"]


def test_a_storage_has_an_address_that_views_share() -> None:
    """The predicted cost of a training counts each storage once, also on the meta device, where data_ptr is 0."""
    tensor = torch.zeros(4, device="meta")
    assert tensor[:2].untyped_storage()._cdata == tensor.untyped_storage()._cdata
    assert torch.zeros(4, device="meta").untyped_storage()._cdata != tensor.untyped_storage()._cdata


def test_the_elastic_agent_monitors_workers_in_a_method() -> None:
    """`RestartsLostWorkers` decides which failures restart the workers; torchrun takes no agent as an argument."""
    from torch.distributed.elastic.agent.server.api import SimpleElasticAgent
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.launcher import api

    assert parameters(LocalElasticAgent._monitor_workers) == ["self", "worker_group"]
    assert "self._remaining_restarts" in inspect.getsource(SimpleElasticAgent.__init__)
    assert "self._remaining_restarts" in inspect.getsource(SimpleElasticAgent._invoke_run)
    assert "LocalElasticAgent(" in inspect.getsource(api.launch_agent)


def test_a_worker_is_started_by_a_method_of_its_handler() -> None:
    """Workers inherit the lock of their run; torchrun closes all files otherwise."""
    from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import (
        SubprocessHandler,
    )

    assert parameters(SubprocessHandler._popen) == ["self", "args", "env"]
    source = inspect.getsource(SubprocessHandler)
    assert "self._stdout =" in source
    assert "self._stderr =" in source
    assert "self._popen(" in source


def test_a_loader_worker_runs_one_function_with_a_known_name() -> None:
    """A loader worker's stack goes on into the code of the process that forked it; `launching.pulse` stops there."""
    from torch.utils.data._utils import worker

    assert inspect.isfunction(worker._worker_loop)


def test_a_queue_reports_what_it_cannot_send_to_a_static_method() -> None:
    """`end_children_that_cannot_send` replaces it, as concurrent.futures does; loaders have no option for it."""
    from multiprocessing.queues import Queue

    assert isinstance(inspect.getattr_static(Queue, "_on_queue_feeder_error"), staticmethod)
    assert len(parameters(Queue._on_queue_feeder_error)) == 2  # type: ignore[attr-defined]


def test_the_folder_of_sockets_is_made_once_in_tempfile_s_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`shorten_socket_paths` lets multiprocessing make it in a short place; it takes no option for it."""
    from multiprocessing import process, util

    monkeypatch.setattr(process.current_process(), "_config", {})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = util.get_temp_dir()  # type: ignore[attr-defined]
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert Path(made).parent == tmp_path
    assert util.get_temp_dir() == made  # type: ignore[attr-defined]


def test_a_thread_s_stack_can_be_looked_at() -> None:
    """The watchdog names where a worker stands; `sys._current_frames` is documented, in spite of its name."""
    frame = sys._current_frames()[threading.get_ident()]
    assert frame.f_code.co_name == "test_a_thread_s_stack_can_be_looked_at"


def test_one_named_set_takes_no_loader() -> None:
    """Ingestion lists paths without decoding; torchvision's OxfordIIITPet keeps them in private lists alone."""
    pets = torchvision.datasets.OxfordIIITPet
    assert "loader" not in parameters(pets.__init__)
    source = inspect.getsource(pets)
    assert "self._images =" in source
    assert "self._labels =" in source


# Kedro


def test_file_datasets_keep_their_path() -> None:
    """`WholeFileCatalog` writes under a hidden name first; no public name gives or sets a dataset's path."""
    for dataset in (JSONDataset, CSVDataset, ParquetDataset, ImageDataset, TextDataset):
        made: AbstractDataset[object, object] = dataset(filepath="/folder/name.ext")
        assert str(made._filepath) == "/folder/name.ext"  # type: ignore[attr-defined]


def test_a_session_has_its_folder_and_its_configuration() -> None:
    """`PlainSession` locks the recipe before it runs; `load_context` would call the hooks twice."""
    assert parameters(KedroSession._get_config_loader) == ["self"]
    assert "self._project_path" in inspect.getsource(KedroSession.__init__)


def test_types_of_parameters_are_read_from_nodes() -> None:
    """`parameter_errors` checks every group; the module has no page in Kedro's documentation."""
    from kedro.validation.type_extractor import TypeExtractor

    @dataclass
    class Group:
        value: int

    def use(group: Group) -> int:
        return group.value

    nodes = pipeline([node(use, "params:group", "out")])
    assert TypeExtractor({"p": nodes}).extract_types_from_pipelines() == {"group": Group}


# MLflow


def test_a_run_has_the_newest_step_of_each_metric() -> None:
    """A resumed training sends newer steps only; public calls give whole histories, or values without steps."""
    metrics = [mlflow.entities.Metric("loss", 0.5, 1, 7)]
    data = mlflow.entities.RunData(metrics=metrics)
    assert [(metric.key, metric.step) for metric in data._metric_objs] == [("loss", 7)]


def test_monitors_sample_and_forget() -> None:
    """`SystemMetrics` uses MLflow's monitors in a loop of its own, since MLflow's ends at the first outage."""
    from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    for monitor in (CPUMonitor, DiskMonitor, GPUMonitor, NetworkMonitor):
        assert issubclass(monitor, BaseMetricsMonitor)
        assert parameters(monitor.__init__) == ["self"]
    disk = DiskMonitor()
    disk.collect_metrics()
    assert "disk_usage_percentage" in disk.aggregate_metrics()
    disk.clear_metrics()
    assert disk.aggregate_metrics() == {}


def test_prints_can_be_held_back() -> None:
    """MLflow prints a line for each registered version past its loggers; `tracking.store.silence` stops it."""
    from mlflow.utils.logging_utils import disable_logging, enable_logging, eprint

    assert not parameters(disable_logging)
    assert not parameters(enable_logging)
    assert "MLFLOW_LOGGING_STREAM" in inspect.getsource(eprint)


def test_the_tag_of_a_dataset_s_context_has_its_name() -> None:
    """`log_inputs` takes the context as a tag of this name, and documents the name nowhere."""
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    assert MLFLOW_DATASET_CONTEXT == "mlflow.data.context"
