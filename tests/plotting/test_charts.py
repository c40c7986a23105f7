"""Charts stand inside a page: its colours, its fonts, no name shared with another chart, the same bytes each time."""

import re
from xml.etree import ElementTree

import pytest

from dino_pipeline.plotting.charts import Chart, Level, Line, svg

RISING = Line(x=[0, 1, 2, 3], y=[6.0, 7.0, 5.0, 4.0], color="teacher", label="teacher", has_marks=True)


def chart(name: str, **changes) -> Chart:
    values = {"title": "Loss < 7 & falling", "caption": "", "lines": [RISING], **changes}
    return Chart(name=name, levels=[Level(y=6.5, label="ln K = 6.50")], **values)


def test_the_same_chart_is_the_same_text():
    assert svg(chart("loss")) == svg(chart("loss"))


def test_it_is_one_well_formed_element_that_needs_nothing_from_outside():
    text = svg(chart("loss"))
    root = ElementTree.fromstring(text)
    assert root.tag == "svg"
    assert root.attrib["aria-label"] == "Loss < 7 & falling"
    assert "http" not in text
    assert "<style" not in text, "a style sheet in it would rule the whole page"


def test_its_colours_are_variables_of_the_page():
    text = svg(chart("loss"))
    assert not re.search(r"#[0-9a-f]{6}\b", text)
    assert {"ink", "muted", "rule", "teacher"} <= set(re.findall(r"var\(--(\w+)\)", text))


def test_text_stays_text():
    words = [element.text for element in ElementTree.fromstring(svg(chart("loss"))).iter("text")]
    assert "ln K = 6.50" in words
    assert "epoch" in words
    assert "font-family" not in svg(chart("loss"))


def test_charts_of_one_page_share_no_id_and_each_reference_is_to_an_own_one():
    texts = [svg(chart(name)) for name in ("loss", "entropy")]
    ids = [re.findall(r' id="([^"]+)"', text) for text in texts]
    assert not set(ids[0]) & set(ids[1])
    for own, text in zip(ids, texts, strict=True):
        assert len(own) == len(set(own))
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)) <= {
            pair for name in own for pair in ((name, ""), ("", name))
        }


@pytest.mark.parametrize("is_small", [False, True])
def test_the_size_is_the_page_s_to_choose(is_small):
    root = ElementTree.fromstring(svg(chart("loss", is_small=is_small)))
    assert "viewBox" in root.attrib
    assert not {"width", "height"} & root.attrib.keys()
