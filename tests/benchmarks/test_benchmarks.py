"""Every benchmark runs, in a size that measures nothing; the figures of a round are worked by hand."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
QUICK = ("knn", "loss", "label_propagation", "extraction")
LONG = (
    "input_pipeline",
    "training_step",
    "linear_probe",
    "ingest",
    "data_wait",
    "start_up",
    "gpu",
    "scaling",
    "many_rows",
)


def run(name, tmp_path):
    output = tmp_path / "result.json"
    subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", "--tiny", "--num-rounds=1", f"--output={output}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(output.read_text())


def assert_says_on_what_it_ran(result):
    assert result["machine"]
    assert result["commit"]
    assert result["versions"]["torch"]
    assert "benchmarks/" in result["command"]


@pytest.mark.parametrize("name", QUICK[:1])
def test_a_benchmark_writes_what_it_measured_and_on_what(name, tmp_path):
    result = run(name, tmp_path)
    assert_says_on_what_it_ran(result)
    assert all(measured["wall"]["median"] > 0 for measured in result["seconds"].values())


@pytest.mark.full
@pytest.mark.parametrize("name", [*QUICK[1:], *LONG])
def test_each_benchmark_runs(name, tmp_path):
    assert_says_on_what_it_ran(run(name, tmp_path))


@pytest.fixture(scope="module")
def side_by_side():
    spec = importlib.util.spec_from_file_location("side_by_side", ROOT / "benchmarks" / "side_by_side.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_ratio_is_the_median_of_the_ratios_of_rounds(side_by_side):
    timings = {
        "ours": [side_by_side.Timing(1.0, 2.0), side_by_side.Timing(2.0, 2.0), side_by_side.Timing(1.0, 4.0)],
        "theirs": [
            side_by_side.Timing(3.0, 8.0),
            side_by_side.Timing(8.0, 2.0),
            side_by_side.Timing(5.0, 8.0),
        ],
    }
    compared = side_by_side.times_faster(timings, side_by_side.Floor("ours", "theirs", 3.6))
    assert compared["times_faster_wall"] == 4.0  # of 3, 4 and 5
    assert compared["range_wall"] == [3.0, 5.0]
    assert compared["times_faster_cpu"] == 2.0  # of 4, 1 and 2


def test_a_share_is_of_the_best_rate_at_the_competitors_precision(side_by_side):
    rates = {"numpy fp32": 80.0, "torch fp32": 100.0, "torch bf16": 200.0}
    products = side_by_side.Products((1, 2, 3), 300e9, rates)
    assert products.share("ours fp32", 4.0) == 0.75  # 75 of 100 GFLOP a second
    assert products.share("ours bf16", 2.0) == 0.75


def test_products_are_measured_by_every_library_that_is_there(side_by_side):
    products = side_by_side.measure_products((64, 32, 48), 1e9, num_threads=1, num_rounds=1)
    assert {"torch fp32", "numpy fp32"} <= products.gflops_per_cpu_second.keys()
    assert all(rate > 0 for rate in products.gflops_per_cpu_second.values())


def test_operators_share_the_time_of_a_call(side_by_side):
    matrix = torch.randn(1000, 1000)
    shares = side_by_side.operators(lambda: (matrix @ matrix).tan())
    assert {"aten::mm", "aten::tan"} <= shares.keys()
    assert 0.5 < sum(shares.values()) <= 1.001
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_competitors_take_turns_after_a_call_that_does_not_count(side_by_side):
    called = []
    timings = side_by_side.take_turns({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 2)
    assert "".join(called) == "ab" + "abab"
    assert [len(rounds) for rounds in timings.values()] == [2, 2]
