"""The table for people and for machines, from models whose answers are written out."""

import pytest
import torch
from PIL import Image

from dino_pipeline.experiments.compare.presentation import frame, markdown, plot_results
from dino_pipeline.experiments.compare.results import ComparisonResults, gather_results
from dino_pipeline.experiments.compare.scoring import Scores
from dino_pipeline.experiments.compare.training import Trained

TEACHERS = ([1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 0, 0])
RANDOM, PIXELS = [1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]


def scores(teacher: list[int], *, architecture: str = "vit", collapse: str = "") -> Scores:
    answers = {"teacher": teacher, "random": RANDOM, "pixels": PIXELS}
    correct = {name: {"test": torch.tensor(hits, dtype=torch.bool)} for name, hits in answers.items()}
    groups = {"test": [None] * len(teacher)}
    return Scores(
        fingerprint="f", correct=correct, groups=groups, architecture=architecture, collapse=collapse
    )


@pytest.fixture
def found(comparing) -> ComparisonResults:
    config = comparing(
        overlays={"DINO": {}, "lost": {}},
        runs={"flat": ["x"]},
        expected=[["DINO", "raw pixels"], ["DINO", "lost"]],
        published={"DINO": {"knn": 72.8}},
        reference="DINO",
    )
    models = {
        "DINO": [scores(teacher) for teacher in TEACHERS],
        "lost": [],
        "flat": [scores([1, *[0] * 7], architecture="resnet", collapse="To one answer.")],
    }
    trained = [Trained("DINO", None, ""), Trained("lost", None, "seed 0 did not finish training: why")]
    return gather_results(config, models, trained, ["test"])


def test_every_line_of_the_page_has_a_cell_for_each_column(found: ComparisonResults) -> None:
    table = markdown(found).splitlines()[2:10]
    assert len({line.count("|") for line in table}) == 1
    assert table[0].startswith("| row | models | k-NN 20 test | over 8 images | over seeds | above random |")
    cells = [cell.strip() for cell in table[2].strip("|").split("|")]
    assert cells[:3] == ["DINO", "2", "81.2"]  # 7 and 6 of 8
    assert cells[5].startswith("+68.8 (")
    assert cells[6:] == ["72.8", "", ""]
    assert table[3] == "| lost | 0 | - | - | - | - |  |  | seed 0 did not finish training: why |"
    assert "1 of 1 models collapsed. The first: To one answer." in table[4]
    names = [line.split(" | ")[0] for line in table[5:]]
    assert names == ["| random initialisation", "| random initialisation of flat", "| raw pixels"]


def test_the_page_says_whether_the_comparison_counts_and_what_was_decided(found: ComparisonResults) -> None:
    page = markdown(found)
    assert "This comparison counts: DINO is 10 points above random initialisation or more." in page
    assert "| DINO > raw pixels | undecided | +56.2 (" in page, "two seeds leave a factor of 12.7"
    assert "| DINO > lost | not measured | - |" in page


def test_the_table_for_machines_holds_shares(found: ComparisonResults) -> None:
    rows = frame(found).set_index("row")
    assert rows.loc["DINO", "knn"] == 0.8125
    assert rows.loc["DINO", "by_model"] == "0.875000 0.750000"
    assert rows.loc["DINO", "published_knn_percent"] == 72.8
    assert rows.loc["raw pixels", "knn"] == 0.25
    assert rows.loc["lost", "num_models"] == 0


def test_the_plot_has_a_line_for_each_row(found: ComparisonResults) -> None:
    plot = plot_results(found)
    assert isinstance(plot, Image.Image)
    assert plot.height > 6 * 40
    colours = {colour for _, colour in plot.getcolors(2**24)}
    assert (0x1F, 0x6F, 0x8B) in colours
    assert (0xC2, 0x6A, 0x1B) in colours
