"""A person's own table: what is done to it is said, what is wrong with it is one sentence, and nothing is guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.datasets import read_people
from workbench.experiments.fair_encoding_own import OWN_ENCODINGS, OWN_SEEDS, measure_own, own_people
from workbench.experiments.fair_encoding_scores import LINEAR, ScoreBook
from workbench.training import Cancelled, CancelToken


def people(rows=600, seed=0, **columns):
    """Made-up applicants: being hired depends on the skill, and on the region."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "east"], rows, p=[0.5, 0.3, 0.2])
    skill = rng.normal(size=rows)
    hired = skill + 1.5 * (region == "north") + rng.normal(size=rows) > 0.5
    frame = pd.DataFrame({"region": region, "sex": rng.choice(["F", "M"], rows), "skill": skill.round(3)})
    return frame.assign(hired=np.where(hired, "yes", "no"), **columns)


def own(frame, **facts):
    return own_people(frame, **{"label": "hired", "positive": "yes", "protected": ["region"], **facts})


def notes(frame, **facts):
    return " / ".join(own(frame, **facts).notes)


def test_a_plain_table_becomes_a_task_for_each_attribute_and_for_their_intersection():
    mine = own(people(), protected=["region", "sex"])
    assert list(mine.tasks) == ["region", "sex", "region|sex"]
    assert all(task.encoded == ("region", "sex") for task in mine.tasks.values())
    assert mine.tasks["region|sex"].reference in ("north|F", "north|M")
    assert mine.tasks["region"].reference == "north"
    assert own(people(), references={"region": "south"}).tasks["region"].reference == "south"


def test_measured_with_a_spread_over_halves_and_scored_on_demand():
    task = own(people()).tasks["region"]
    sweep, groups = measure_own(task)
    assert len(sweep) == len(OWN_ENCODINGS) * len(OWN_SEEDS)
    assert set(groups["group"]) == {"north", "south", "east"}
    means = sweep.groupby("scheme")["selection_gap_sum"].mean()
    assert means["one-hot"] > means["drop"] + 0.2  # the region was made to matter
    assert ScoreBook(task).table(LINEAR, "smoothing", 30.0)["value"].notna().any()
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        measure_own(task, cancel=token)


def test_missing_values_are_said_and_are_no_obstacle():
    frame = people()
    frame.loc[:9, "region"] = None
    frame.loc[5:24, "skill"] = np.nan
    mine = own(frame)
    said = " / ".join(mine.notes)
    assert "'region' is missing in 10 rows, who are a group of their own, (missing)" in said
    assert "column 'skill' is missing in 20 rows: they get the median, and a column says which" in said
    task = mine.tasks["region"]
    assert "(missing)" in set(task.group)
    assert task.frame["skill"].notna().all()
    assert task.frame["skill is missing"].sum() == 20
    assert measure_own(task)[0]["auc"].notna().all()


def test_names_and_ids_are_left_out():
    frame = people(applicant=[f"person {index}" for index in range(600)])
    mine = own(frame)
    assert "column 'applicant' has 600 values in 600 rows, as names have: left out" in mine.notes
    assert "applicant" not in mine.tasks["region"].frame


def test_the_attribute_under_another_name_is_reported():
    frame = people()
    frame["code"] = frame["region"].map({"north": 1, "south": 2, "east": 3})
    frame["postcode"] = np.where(np.arange(600) % 50 == 0, "x", frame["region"].str[:1])
    said = notes(frame)
    assert "column 'code' is 'region' under another name: without 'region' a model still sees it" in said
    assert "column 'postcode' tells 'region' of 9" in said
    assert "'skill'" not in said


def test_groups_that_are_too_small_are_counted():
    frame = people()
    frame.loc[:7, "region"] = "west"
    assert "1 of 3 groups of 'region' have fewer than 10 people with label 1 in a half" in notes(frame)
    frame.loc[frame["region"] == "west", "hired"] = "no"
    sweep, _ = measure_own(own(frame).tasks["region"])
    assert (sweep["skipped"] >= 1).all()
    assert sweep["equal_opportunity_sum"].notna().all()


def test_an_intersection_whose_reference_nobody_is_takes_the_largest():
    frame = people()
    frame = frame[~((frame["region"] == "north") & (frame["sex"] == "M"))]
    said = notes(frame, protected=["region", "sex"], references={"region": "north", "sex": "M"})
    assert "nobody is north|M, so intersections are compared with the largest, north|F" in said


def test_one_person_alone_in_a_group_is_no_obstacle():
    frame = people()
    frame.loc[0, "region"] = "nowhere"
    assert measure_own(own(frame).tasks["region"])[0]["auc"].notna().all()


@pytest.mark.parametrize(
    "change, facts, words",
    [
        (lambda f: f.head(30), {}, "the table has 30 people; expected at least 40"),
        (lambda f: f[["region", "hired"]], {}, "there is no column left to learn from but the protected ones"),
        (
            lambda f: f,
            {"positive": None},
            "label 'hired' holds 'no', 'yes': say with positive= which of them counts as 1",
        ),
        (lambda f: f, {"positive": "maybe"}, "positive is 'maybe', but label 'hired' holds 'no', 'yes'"),
        (lambda f: f.assign(hired="yes"), {}, r"label must hold both 0 and 1, found only \[1\]"),
        (lambda f: f.assign(hired=[None, *f["hired"][1:]]), {}, "label 'hired' is missing in 1 rows, first in row 0"),
        (
            lambda f: f.assign(hired=range(600)),
            {"positive": None},
            "label 'hired' holds 600 different numbers: say with above=",
        ),
        (lambda f: f, {"references": {"region": "west"}}, "no region is 'west'; the groups are east, north, south"),
        (lambda f: f, {"protected": ["race"]}, "protected names 'race'; the columns are region, sex, skill, hired"),
        (lambda f: f, {"protected": ["hired"]}, "'hired' cannot be protected and label"),
        (lambda f: f, {"protected": []}, "protected must name at least one column"),
        (
            lambda f: f,
            {"protected": ["skill"]},
            "protected column 'skill' holds .* different numbers: cut it into ranges first",
        ),
        (lambda f: f.assign(region=None), {}, "protected column 'region' is empty"),
    ],
)
def test_what_is_wrong_is_one_sentence(change, facts, words):
    with pytest.raises(ValueError, match=words):
        own(change(people()), **facts)


def test_a_reference_without_a_class_is_refused_since_no_gap_to_it_is_defined():
    frame = people()
    frame.loc[frame["region"] == "north", "hired"] = "no"
    with pytest.raises(ValueError, match=r"reference 'north' has .* rows without positives: no gap to it is defined"):
        measure_own(own(frame, references={"region": "north"}).tasks["region"])


def test_a_file_with_another_separator_decimal_comma_and_number_codes_is_read_as_it_is_meant():
    frame = people()
    code = frame["region"].map({"north": 1, "south": 2, "east": 3})
    text = frame.assign(region=code, skill=frame["skill"].map(lambda v: f"{v}".replace(".", ","))).to_csv(
        sep=";", index=False
    )
    mine = own(read_people(text.encode()))
    assert mine.tasks["region"].reference == "1"
    assert set(mine.tasks["region"].group) == {"1", "2", "3"}
    assert measure_own(mine.tasks["region"])[0]["auc"].notna().all()
