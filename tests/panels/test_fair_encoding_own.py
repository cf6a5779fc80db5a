"""A person's own table in the panel of notebook 04: asked, checked, measured, reported; bad input is one sentence."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from workbench.encoders import wilson_interval
from workbench.experiments.fair_encoding_own import OWN_ENCODINGS
from workbench.panels.fair_encoding import FRONTIER, MAP, OWN, RIDGES, VIEWS, FairEncodingPanel
from workbench.panels.fair_encoding_choice import FIRST


def people(rows=500, seed=0):
    """Made-up applicants: being hired depends on the skill, and on the region."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "east"], rows, p=[0.5, 0.3, 0.2])
    skill = rng.normal(size=rows)
    hired = skill + 1.5 * (region == "north") + rng.normal(size=rows) > 0.5
    frame = pd.DataFrame({"region": region, "sex": rng.choice(["F", "M"], rows), "skill": skill.round(3)})
    return frame.assign(hired=np.where(hired, "yes", "no"))


def content(frame):
    return frame.to_csv(index=False).encode()


@pytest.fixture(scope="module")
def shared():
    return FairEncodingPanel()


@pytest.fixture
def panel(shared):
    shared.question = FIRST
    shared.receive_file("mine.csv", content(people()))
    return shared


def say_roles(panel, **facts):
    panel.update(**{"own_label": "hired", "own_protected": ("region",), **facts})
    panel.own_positive = facts.get("own_positive", "yes")


def last(panel):
    return panel.messages[-1]


def shown(panel, name):
    return panel._own_asked[name].layout.display != "none"


def test_a_file_opens_the_view_and_nothing_is_guessed(panel):
    assert panel.view == OWN
    assert last(panel).text.startswith("mine.csv: 500 people, 4 columns; now say which column is the label")
    assert (panel.own_label, panel.own_protected) == ("", ())
    assert "Say which column is the label" in panel._own_text.value
    assert not shown(panel, "measure")
    panel.own_label = "hired"
    assert "Say which column is protected" in panel._own_text.value
    panel.own_protected = ("region",)
    assert "Say which value of &#x27;hired&#x27; counts as 1" in panel._own_text.value.replace("'", "&#x27;")
    panel.own_positive = "yes"
    assert shown(panel, "measure")


def test_groups_are_shown_with_their_intervals_before_anything_is_measured(panel):
    say_roles(panel)
    frame = panel.own_frame().set_index("group")
    truth = people()
    for group in ("north", "south", "east"):
        hired = truth.loc[truth["region"] == group, "hired"] == "yes"
        assert frame.loc[group, "rate"] == pytest.approx(hired.mean())
        low, high = wilson_interval(hired.sum(), len(hired))
        assert (frame.loc[group, "low"], frame.loc[group, "high"]) == pytest.approx((float(low), float(high)))
    assert frame["reference"].idxmax() == "north"
    panel.own_reference = "south"
    assert panel.own_frame().set_index("group")["reference"].idxmax() == "south"


def test_measuring_makes_the_table_a_question_of_every_view_and_a_report(panel, tmp_path):
    say_roles(panel, own_protected=("region", "sex"))
    panel.measure_table()
    panel.wait(300)
    assert last(panel).level == "good", last(panel).text
    assert panel.question == "mine.csv: region"
    assert {"mine.csv: sex", "mine.csv: region|sex"} <= set(panel.questions)
    assert len(panel.own_frame()) == 3 * 3 * len(OWN_ENCODINGS)
    for view in VIEWS[:-1]:
        panel.view = view
        assert len(panel.frame()) > 0 or view.startswith("7")
    panel.update(view=FRONTIER, scheme="noise", noise=0.3)
    assert "mean of 3 halves" in panel._frontier_figure.layout.title.text
    panel.update(view=RIDGES, compared="east")
    panel.question = "mine.csv: region|sex"
    panel.view = MAP
    assert len(panel.map_frame()) == 6
    panel.export_report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for words in ("500 people", "region|sex", "Within 0.01 of the best AUC", "who recorded that label", "plotly"):
        assert words in page
    panel.view = OWN
    panel.export_csv(tmp_path / "mine.csv")
    assert set(pd.read_csv(tmp_path / "mine.csv")["scheme"]) == {"drop", "one-hot", "smoothing", "noise"}
    assert not [message.text for message in panel.messages if message.level == "error"]


def test_a_label_of_many_numbers_asks_from_where_on_it_counts(panel):
    frame = people()
    frame["income"] = np.where(frame["hired"] == "yes", 60_000, 20_000) + np.arange(500)
    panel.receive_file("income.csv", content(frame.drop(columns="hired")))
    panel.update(own_label="income", own_protected=("region",))
    assert shown(panel, "own_above")
    assert not shown(panel, "own_positive")
    panel.own_above = 50_000.0
    assert panel.own_frame()["positives"].sum() == (frame["income"] > 50_000).sum()
    assert panel._own.data.label.name == "income above 50000"


def test_zero_and_one_need_no_more(panel):
    panel.receive_file("numbers.csv", content(people().assign(hired=lambda f: (f["hired"] == "yes").astype(int))))
    panel.update(own_label="hired", own_protected=("sex",))
    assert panel.own_positive == "1"
    assert shown(panel, "measure")


@pytest.mark.parametrize(
    "change, facts, words",
    [
        (lambda f: f.assign(hired="yes"), {}, "label must hold both 0 and 1, found only [1]"),
        (lambda f: f.assign(hired=[None, *f["hired"][1:]]), {}, "label 'hired' is missing in 1 rows, first in row 2"),
        (lambda f: f, {"own_protected": ("hired",)}, "'hired' cannot be protected and label"),
        (lambda f: f, {"own_protected": ("skill",)}, "different numbers: cut it into ranges first"),
        (lambda f: f[["region", "hired"]], {}, "there is no column left to learn from but the protected ones"),
        (lambda f: f.head(20), {}, "the table has 20 people; expected at least 40"),
        (lambda f: f.assign(region=""), {}, "protected column 'region' is empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence_and_nothing_is_measured(panel, change, facts, words):
    panel.receive_file("mine.csv", content(change(people())))
    say_roles(panel, **facts)
    assert words in last(panel).text
    assert last(panel).level == "error"
    assert words.replace("'", "&#x27;") in panel._own_text.value.replace("'", "&#x27;")
    assert not shown(panel, "measure")
    with pytest.raises(ValueError, match=re.escape(words)):
        panel.measure_table()


@pytest.mark.parametrize(
    "raw, words",
    [
        (b"", "the table is empty"),
        (b"sex,age\n", "only a header line (sex, age)"),
        (b"sex,sex\nF,1\n", "row 1, column 'sex': the name stands twice in the header"),
        (b"sex,age\nF,31\nM\n", "row 3: 1 fields, expected 2 as in the header"),
        (b"name\nAnna\n", "one column, 'name'; expected columns divided by"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ""),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence_and_changes_nothing(panel, raw, words):
    say_roles(panel)
    before = (panel.question, panel.own_label, panel.own_protected, list(panel.questions))
    panel.receive_file("wrong.csv", raw)
    assert last(panel).level == "error"
    assert words in last(panel).text
    assert "\n" not in last(panel).text
    assert (panel.question, panel.own_label, panel.own_protected, list(panel.questions)) == before


def test_a_reference_without_the_label_is_refused_when_it_is_measured(panel):
    frame = people()
    frame.loc[frame["region"] == "east", "hired"] = "no"
    panel.receive_file("mine.csv", content(frame))
    say_roles(panel)
    panel.own_reference = "east"
    panel.measure_table()
    panel.wait(120)
    assert "reference 'east' has" in last(panel).text
    assert "rows without positives: no gap to it is defined" in last(panel).text


def test_missing_values_proxies_and_small_groups_are_notes_of_the_report(panel):
    frame = people()
    frame["code"] = frame["region"].map({"north": 1, "south": 2, "east": 3})
    frame.loc[:5, "region"] = None
    frame.loc[:9, "skill"] = np.nan
    panel.receive_file("mine.csv", content(frame))
    say_roles(panel)
    said = panel._own_text.value.replace("&#x27;", "'")
    for words in (
        "'region' is missing in 6 rows, who are a group of their own, (missing)",
        "column 'skill' is missing in 10 rows: they get the median",
        "1 of 3 groups of 'region' have fewer than 10 people with label 1 in a half",
        "column 'code' tells 'region' of 9",
    ):
        assert words in said


def test_a_census_file_is_known_by_its_name(panel, tmp_path):
    rng = np.random.default_rng(0)
    rows = 300
    frame = pd.DataFrame(
        {
            "AGEP": rng.integers(18, 70, rows), "COW": 1, "SCHL": rng.integers(10, 24, rows), "MAR": rng.integers(1, 6, rows),
            "OCCP": rng.integers(10, 14, rows) * 10, "POBP": 6, "RELP": 0, "WKHP": rng.integers(10, 60, rows),
            "SEX": rng.integers(1, 3, rows), "RAC1P": rng.choice([1, 2, 6], rows, p=[0.5, 0.25, 0.25]),
            "PINCP": rng.integers(101, 120_000, rows), "PWGTP": 1,
        }
    )  # fmt: skip
    path = tmp_path / "psam_p06.csv"
    frame.to_csv(path, index=False)
    panel._receive_path(str(path))
    assert "its roles are known: press Measure" in last(panel).text
    assert panel._own.data.protected == ("RAC1P", "SEX")
    panel._receive_path(str(tmp_path / "nothing.csv"))
    assert "no table of people at" in last(panel).text


def test_without_a_table_there_is_nothing_to_measure_and_it_is_said():
    panel = FairEncodingPanel(view=OWN)
    with pytest.raises(ValueError, match="there is no table yet: upload one, paste it, or give its path"):
        panel.measure_table()
    with pytest.raises(ValueError, match="there is no table yet"):
        panel.frame()
    with pytest.raises(ValueError, match="nothing was measured yet: press Measure first"):
        panel.export_report("report.html")
