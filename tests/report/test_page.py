"""The page is one file that says and shows all there is, reaches nothing, and is the same for the same model."""

from html.parser import HTMLParser

import pytest

from dino_pipeline.dino.training.history import PREDICTION, TIMING
from dino_pipeline.report.content import run_section
from dino_pipeline.report.curves import timing_charts
from dino_pipeline.report.page import RunSection, render
from dino_pipeline.report.tables import costs_table

VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Collects tags with their attributes, and text; notes tags that are closed in the wrong order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(" ".join(data.split()))

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    @property
    def text(self):
        return " ".join(word for word in self.words if word)


RUN = RunSection(
    facts=[("MLflow run", "smoke-abc (0123456789)"), ("commit", "fedcba")],
    timing=timing_charts([{"step": 1, "images_per_second": 10, "data_wait_share": 0.1}]),
    costs=costs_table({"step_seconds": 90.0}, [{"seconds": 108.0, "memory_mb": 1.0}], disk_bytes=0),
)


@pytest.fixture(scope="module")
def page(labelled_content):
    return Outline(render(labelled_content, None))


def test_it_is_whole_html_without_an_id_used_twice(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    linked = {
        attributes["href"].removeprefix("#")
        for tag, attributes in page.tags
        if tag == "a" and "href" in attributes
    }
    assert linked <= set(page.ids)


@pytest.mark.parametrize("run", [None, RUN])
def test_it_loads_nothing_and_runs_nothing(labelled_content, run):
    text = render(labelled_content, run)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert "url(" not in text.replace("url(#", "")
    for tag, attributes in Outline(text).tags:
        assert tag not in {"script", "iframe", "object", "embed", "video", "audio", "form"}
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]


def test_it_has_every_section(page):
    assert {"measures", "training", "views", "attention", "neighbours", "data", "lineage"} <= set(page.ids)
    assert "run" not in page.ids


def test_every_picture_says_what_it_is(page):
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) > 10
    assert all(attributes["src"].startswith("data:image/") for attributes in pictures)
    assert all("alt" in attributes for attributes in pictures)


def test_names_from_the_data_are_text_and_no_markup(page):
    assert "<b>palace</b>" in page.text
    assert "broken & odd.jpg" in page.text


def test_the_verdict_stands_on_top_with_its_baselines(page):
    words = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "classify 90.0 % of the held-out images; random initialisation 50.0 %, raw pixels 40.0 %." in words
    assert "The network learned: 40.0 ± 5.8 points more than the best baseline" in words


def test_parameters_that_are_not_the_base_s_are_named(page):
    assert "backbone.options.depth" in page.text
    assert "epochs" in page.text


def test_equal_models_have_equal_pages_that_name_no_run(labelled_content):
    text = render(labelled_content, None)
    assert text == render(labelled_content, None)
    assert "0123456789" not in text
    assert "fedcba" not in text


def test_the_copy_for_tracking_adds_commit_run_and_throughput(labelled_content):
    page = Outline(render(labelled_content, RUN))
    assert "run" in page.ids
    assert "smoke-abc (0123456789)" in page.text
    assert "fedcba" in page.text
    assert "Throughput" in page.text


def test_without_labels_nothing_is_called_right_or_wrong(unlabelled_content):
    page = Outline(render(unlabelled_content, None))
    assert "Without labels there is no accuracy" in page.text
    classes = {attributes.get("class") for _, attributes in page.tags}
    assert not {"is-right", "is-wrong", "bars"} & classes
    assert "The images have no labels." in page.text
    assert "%" not in page.text.split("How the training went")[0]


def test_a_convnet_shows_principal_components_in_place_of_attention(unlabelled_content):
    assert "principal components" in Outline(render(unlabelled_content, None)).text


def test_charts_are_only_of_what_was_measured(labelled_content, unlabelled_content):
    titles = [
        {chart.title for chart in content.training} for content in (labelled_content, unlabelled_content)
    ]
    assert titles[0] - titles[1] == {"k-NN on validation, while training"}


def test_imported_weights_have_a_page_without_a_training(imported_content):
    page = Outline(render(imported_content, None))
    assert page.open == []
    assert {"measures", "attention", "neighbours", "data", "lineage"} <= set(page.ids)
    assert not {"training", "views"} & set(page.ids)
    assert "imported from dino.pth" in page.text
    assert "there is no record of their training" in page.text


def test_predicted_and_used_stand_only_in_the_copy_of_the_run(labelled_content):
    assert "training steps, min 1.5 1.8" in Outline(render(labelled_content, RUN)).text
    assert "training steps, min" not in render(labelled_content, None)


def test_the_costs_are_read_beside_the_training_and_a_hard_link_counts_once(tmp_path):
    progress = tmp_path / "progress"
    progress.mkdir()
    (progress / TIMING).write_text("step,seconds,memory_mb\n1,30,100\n2,30,200\n")
    assert run_section({}, tmp_path, progress, tmp_path / "model").costs is None, (
        "an older training predicted nothing"
    )
    (progress / PREDICTION).write_text('{"step_seconds": 120, "disk_bytes": 1e7}')
    (progress / "last.pt").write_bytes(bytes(10**7))
    (progress / "step-2.pt").hardlink_to(progress / "last.pt")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "teacher").write_bytes(bytes(5 * 10**6))
    costs = run_section({}, tmp_path, progress, tmp_path / "model").costs
    assert costs is not None
    assert costs.rows == [["training steps, min", "2.0", "1.0"], ["disk, GB", "0.01", "0.02"]]
