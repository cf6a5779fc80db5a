"""The panel of notebook 04 without a browser: attributes in, drawn numbers and words out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.encoders import (
    bias_terms,
    flip_probability,
    gaps,
    group_rates,
    noise_attenuation,
    strong_parity,
    wasserstein,
)
from workbench.encoders.fairness import GAPS
from workbench.experiments.fair_encoding_frontier import TOTALS, frontier, gap_size
from workbench.experiments.fair_encoding_questions import questions
from workbench.experiments.fair_encoding_tasks import MODELS
from workbench.experiments.results import load_results
from workbench.panels import fair_encoding_report as report
from workbench.panels.fair_encoding import (
    CONVENTIONS,
    FRONTIER,
    LAB,
    LADDER,
    MAP,
    RELABEL,
    RIDGES,
    TREES,
    VIEWS,
    FairEncodingPanel,
)
from workbench.panels.fair_encoding_lab import GROWING

LINEAR, NETWORK, BOOSTED = MODELS


@pytest.fixture(scope="module")
def shared():
    return FairEncodingPanel()


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def trace(figure, name):
    return next(one for one in figure.data if one.name and one.name.startswith(name))


def errors(panel):
    return [message.text for message in panel.messages if message.level == "error"]


# The choice


def test_moving_a_strength_chooses_its_encoding_and_setting_both_keeps_what_was_set(panel):
    panel.scheme = "one-hot"
    panel.noise = 0.5
    assert (panel.scheme, panel.strength) == ("noise", 0.5)
    panel.smoothing = 1e4
    assert (panel.scheme, panel.m, panel.lam) == ("smoothing", 1e4, 0.0)
    panel.update(scheme="drop", smoothing=1e2)
    assert panel.scheme == "drop"
    assert np.isnan(panel.strength)


def test_the_answer_is_the_measured_half_and_names_the_convention_and_the_label(panel):
    panel.update(scheme="noise", noise=0.3)
    book, task = panel.book, panel.task
    scores = book.scores(LINEAR, "noise", 0.3)[book.test]
    rates = group_rates(task.label[book.test], scores, task.group[book.test])
    eof = gaps(rates, task.reference).query("metric == 'equal_opportunity'")["value"].abs()
    right = ((scores > 0.5) == task.label[book.test]).mean()
    said = panel._answer_box.value
    assert f"accuracy {100 * right:.1f} %, gap {eof.max():.2f}" in said
    assert "Convention: paper, the paper's definitions, on the test half" in said.replace("&#x27;", "'")
    assert "It is not: Not whether anyone offended again" in said
    panel.convention = "published"
    said = panel._answer_box.value.replace("&#x27;", "'")
    assert "Convention: published, the published code's definitions, on the training half" in said


def test_models_are_those_whose_scores_can_be_had(panel):
    assert panel.book.models == MODELS
    panel.model = BOOSTED
    panel.question = "Adult: race"
    assert panel.model == LINEAR
    assert list(dict(panel.controls["model"].options)) == [LINEAR]
    assert not errors(panel)


@pytest.mark.parametrize("metric", GAPS)
@pytest.mark.parametrize("total", TOTALS.values())
def test_every_metric_and_total_is_said_and_drawn(panel, metric, total):
    panel.update(metric=metric, total=total)
    size = getattr(gap_size(panel.gaps_table(), metric), total)
    assert f"gap {size:.2f}" in panel._answer_box.value


# 1 Bias lab


def test_bars_of_the_lab_hold_all_samples_and_their_sides_are_the_closed_form(panel):
    for n, m, tau in ((10, 0.0, 0.5), (50, 100.0, 0.5), (5000, 1.0, 0.57), (3, 1e6, 0.4)):
        panel.update(view=LAB, lab_n=n, scheme="smoothing", smoothing=m, threshold=tau)
        right, wrong = panel._lab_figure.data[:2]
        assert sum(right.y) + sum(wrong.y) == pytest.approx(100, abs=0.01)
        assert sum(wrong.y) == pytest.approx(100 * float(flip_probability(0.58, n, m, 0.43, tau)), abs=0.01)
        assert len(right.x) + len(wrong.x) <= 102


def test_growing_kills_the_reducible_part_and_leaves_the_irreducible_one(panel):
    panel.update(view=LAB, scheme="smoothing", smoothing=0.0)
    parts = []
    for n in (GROWING[0], GROWING[-1]):
        panel.lab_n = n
        terms = bias_terms(0.58, n, 0.32, 3600)
        drawn = [trace(panel._lab_figure, name).x[0] for name in ("irreducible", "reducible")]
        assert drawn == pytest.approx([float(term) for term in terms])
        parts.append(drawn)
    assert parts[1][0] == parts[0][0]
    assert parts[1][1] < 0.02 * parts[0][1]


def test_noise_spreads_training_rows_alone(panel):
    panel.update(view=LAB, scheme="noise", noise=0.2)
    curve = trace(panel._lab_figure, "training rows")
    assert curve.visible is True
    mean = np.average(curve.x, weights=curve.y)
    assert np.sqrt(np.average((np.array(curve.x) - mean) ** 2, weights=curve.y)) == pytest.approx(0.2, abs=0.03)
    panel.scheme = "smoothing"
    assert trace(panel._lab_figure, "training rows").visible is False


def test_numbers_of_a_group_are_taken_from_the_data_until_one_is_moved(panel):
    panel.update(view=LAB, lab_group="Native American")
    rows = panel.book.train
    part = panel.task.label[rows][panel.task.group[rows] == "Native American"]
    assert (panel.lab_n, panel.lab_p) == (len(part), pytest.approx(part.mean(), abs=0.005))
    panel.lab_p = 0.9
    assert panel.lab_group == ""
    assert not errors(panel)


# 2 Encoding ladder


def test_dots_of_the_ladder_are_the_encoder_and_small_groups_move_first(panel):
    panel.update(view=LADDER, smoothing=0.0)
    plain = np.array(trace(panel._ladder_figure, "encoded").x)
    panel.smoothing = 100.0
    moved = np.array(trace(panel._ladder_figure, "encoded").x)
    table = panel.column_table("Ethnicity")
    order = np.argsort(-table.counts)
    np.testing.assert_allclose(moved, table.means(100.0)[order])
    way = np.abs(moved - plain) / np.abs(plain - table.prior)
    assert (np.diff(way) > 0).all()
    assert "small groups move first" in panel._ladder_text.value


def test_noise_makes_clouds_of_training_rows_and_leaves_the_dots(panel):
    panel.update(view=LADDER, smoothing=0.0)
    plain = list(trace(panel._ladder_figure, "encoded").x)
    panel.update(scheme="noise", noise=0.3)
    cloud = trace(panel._ladder_figure, "training rows")
    assert cloud.visible is True
    assert list(trace(panel._ladder_figure, "encoded").x) == plain
    kept = float(noise_attenuation(panel.column_table("Ethnicity"), 0.3))
    assert f"{100 * kept:.0f} %" in panel._ladder_text.value


def test_another_column_and_other_people_fit_the_ladder(panel):
    panel.update(view=LADDER, column="MaritalStatus")
    assert panel._ladder_figure.layout.title.text.startswith("MaritalStatus")
    panel.question = "Adult: native country"
    assert panel.column == "native-country"
    assert len(trace(panel._ladder_figure, "encoded").x) == 25
    assert "smaller ones are not drawn" in panel._ladder_figure.layout.xaxis.title.text
    assert not errors(panel)


# 3 Frontier


@pytest.mark.parametrize("model", MODELS)
def test_frontier_is_the_stored_mean_and_the_ring_stands_at_the_setting(panel, model):
    panel.update(view=FRONTIER, model=model, scheme="noise", noise=0.5)
    stored = frontier(load_results("fair_encoding_sweep"), "COMPAS", "Ethnicity", model, "equal_opportunity", "max")
    at = stored[(stored["scheme"] == "noise") & (stored["strength"] == 0.5)].iloc[0]
    ring = trace(panel._frontier_figure, "your setting")
    assert (ring.x[0], ring.y[0]) == pytest.approx((at["gap"], at["auc"]))
    star = trace(panel._frontier_figure, "not encoded")
    assert star.y[0] == pytest.approx(stored.loc[stored["scheme"] == "drop", "auc"].iloc[0])
    assert "TPR" in star.customdata[0]
    assert "African-American" in star.customdata[0]


def test_smoothing_leaves_trees_where_they_are_and_moves_a_linear_model(panel):
    spans = {}
    for model in (LINEAR, BOOSTED):
        panel.update(view=FRONTIER, model=model, metric="equal_opportunity", total="sum")
        line = trace(panel._frontier_figure, "smoothing")
        spans[model] = max(line.x) / min(line.x)
    assert spans[LINEAR] > 5
    assert spans[BOOSTED] < 1.2


def test_another_threshold_or_convention_is_of_one_half_and_says_so(panel):
    panel.update(view=FRONTIER, threshold=0.4)
    assert "one half" in panel._frontier_figure.layout.title.text
    points = panel.frontier_frame().set_index("scheme")
    table = panel.book.table(LINEAR, "one-hot", np.nan, 0.4)
    assert points.loc["one-hot", "gap"] == pytest.approx(gap_size(table, "equal_opportunity").max)
    panel.update(threshold=0.5, convention="published")
    table = panel.book.table(LINEAR, "one-hot", np.nan, 0.5, "published")
    assert panel.frontier_frame().set_index("scheme").loc["one-hot", "gap"] == pytest.approx(
        gap_size(table, "equal_opportunity").max
    )
    assert "of one half, without error bars" in panel._frontier_text.value


def test_results_measured_now_replace_those_of_their_task_and_model(panel):
    panel.view = FRONTIER
    swept, groups = panel._sweep, panel._groups
    mine = swept[(swept["task"] == "COMPAS") & (swept["model"] == LINEAR)].assign(auc=0.9)
    panel.show_sweep(mine, groups[(groups["task"] == "COMPAS") & (groups["model"] == LINEAR)])
    assert set(trace(panel._frontier_figure, "smoothing").y) == {0.9}
    panel.model = BOOSTED
    assert max(trace(panel._frontier_figure, "smoothing").y) < 0.8
    panel.show_sweep(swept, groups)


# 4 Score ridgelines


def test_ridges_say_rates_and_the_area_is_the_wasserstein_distance(panel):
    panel.update(view=RIDGES, scheme="one-hot")
    book, task = panel.book, panel.task
    scores, group = book.scores(LINEAR, "one-hot", np.nan)[book.test], task.group[book.test]
    distance = wasserstein(scores[group == "African-American"], scores[group == "Caucasian"])
    figure = panel._ridges_figure
    area = trace(figure, f"area between: W1 = {distance:.3f}")
    below, above = np.split(np.array(area.y), 2)
    assert np.trapezoid(np.abs(below - above[::-1]), np.array(area.x)[:201]) / 100 == pytest.approx(distance, abs=0.005)
    rates = group_rates(task.label[book.test], scores, group).set_index("group")
    assert figure.data[2].text[0] == f"TPR {rates.loc['Caucasian', 'tpr']:.2f} FPR {rates.loc['Caucasian', 'fpr']:.2f}"


def test_the_threshold_can_be_dragged_and_moves_decisions_alone(panel):
    panel.update(view=RIDGES, scheme="one-hot")
    before = panel._ridges_figure.data[2].text
    area = panel._ridges_figure.data[3].name
    panel._ridges_figure.layout.shapes[0].x0 = 0.352
    assert panel.threshold == pytest.approx(0.35)
    assert panel._ridges_figure.data[2].text != before
    assert panel._ridges_figure.data[3].name == area


def test_as_many_as_have_the_label_brings_a_hidden_gap_back(panel):
    panel.update(view=RIDGES, scheme="noise", noise=0.5)
    hidden = gap_size(panel.gaps_table(), "equal_opportunity").max
    panel.select_as_many()
    assert panel.threshold < 0.5
    scores, wanted = panel.book.scores(*panel.operating)[panel.book.test], panel.task.label[panel.book.test].mean()
    off = [abs((scores > tau).mean() - wanted) for tau in (panel.threshold, *np.arange(0.05, 0.96, 0.01))]
    assert off[0] == min(off) < 0.1  # scores come in lumps
    assert gap_size(panel.gaps_table(), "equal_opportunity").max > hidden + 0.3


def test_compared_group_follows_the_people(panel):
    panel.update(view=RIDGES, question="Adult: race")
    assert panel.compared == "Black"
    panel.compared = "Asian-Pac-Islander"
    assert "<b>Asian-Pac-Islander</b> against White" in panel._ridges_text.value
    with pytest.raises(ValueError, match="compared must be one of 'Black'"):
        panel.compared = "Martian"


# 5 Tree paradox


def test_the_tree_keeps_its_leaves_while_the_axis_shrinks(panel):
    panel.update(view=TREES, smoothing=1e6)
    assert "the tree makes <b>the same leaves</b>" in panel._tree_text.value
    dots = [one for one in panel._tree_figure.data if one.name and one.name.startswith("a category")]
    assert np.ptp(dots[1].x) < 0.01 * np.ptp(dots[0].x)
    assert np.ptp(dots[2].x) == pytest.approx(np.ptp(dots[0].x))
    tree, linear = (trace(panel._tree_figure, name).y for name in ("tree", "logistic regression"))
    assert max(tree) - min(tree) < 1e-9
    assert linear[-1] < 0.01 < 0.3 < linear[0]
    assert panel.tree_frame()["tree"].nunique() == 1


# 6 Intersection map


def test_cells_of_the_map_are_gaps_of_intersections(panel):
    panel.update(view=MAP, scheme="one-hot")
    book, task = panel.book, panel.task
    rows = book.test
    crossed = task.frame["Ethnicity"].to_numpy() + "|" + task.frame["MaritalStatus"].to_numpy()
    rates = group_rates(task.label[rows], book.scores(LINEAR, "one-hot", np.nan)[rows], crossed[rows])
    eof = gaps(rates, "Caucasian|Married").query("metric == 'equal_opportunity'").set_index("group")["value"]
    frame = panel.map_frame()
    for row in frame.itertuples():
        name = f"{row.Ethnicity}|{row.MaritalStatus}"
        if name != "Caucasian|Married" and row.positives:
            assert row.equal_opportunity == pytest.approx(eof[name])
    assert frame.loc[frame["positives"] == 0, "equal_opportunity"].isna().all()
    cells, hatched, reference = panel._map_figure.data
    assert len(reference.x) == 1
    assert len(hatched.x) == (frame["positives"] == 0).sum()
    assert len(cells.x) + len(hatched.x) + 1 == len(frame)
    assert hatched.marker.pattern.shape == "/"


def test_cells_with_few_people_are_pale_and_do_not_count(panel):
    panel.update(view=MAP, scheme="one-hot")
    frame, cells = panel.map_frame(), panel._map_figure.data[0]
    counted = frame[(frame["positives"] >= 10) & frame["equal_opportunity"].notna()]
    pale = np.array(cells.marker.opacity) < 1
    assert (~pale).sum() == len(counted) - 1  # the reference is no cell of the trace
    assert f"<b>{len(counted) - 1}</b> have at least 10 people" in panel._map_text.value


@pytest.mark.parametrize(
    "question", ["Adult: race | country", "COMPAS: ethnicity | marital status", "COMPAS: rearrest, race"]
)
def test_crossed_columns_and_single_ones_make_a_map_too(panel, question):
    panel.update(view=MAP, question=question)
    assert len(panel.map_frame()) == len(set(panel.task.group[panel.book.test]))
    assert not errors(panel)


# 7 Relabel game


def test_the_coin_splits_people_and_adds_a_draw(panel):
    panel.forget_splits()
    panel.update(view=RELABEL, split_k=50)
    stored = panel.relabel_frame()
    assert len(stored) == 4 * 40
    panel.split_once()
    panel.split_once()
    frame = panel.relabel_frame()
    assert frame["draw"].tolist() == [0] * 4 + [1] * 4
    assert "your draws: mean" in panel._relabel_figure.layout.annotations[0].text
    panel.forget_splits()
    assert len(panel.relabel_frame()) == len(stored)


def test_many_draws_run_in_the_background(panel, monkeypatch):
    monkeypatch.setattr("workbench.panels.fair_encoding_relabel.MANY", 2)
    panel.update(view=RELABEL, split_k=1000)
    panel.split_often()
    panel.wait(120)
    assert len(panel.relabel_frame()) == 8
    assert (panel.relabel_frame()["equal_opportunity"].abs() < 0.1).all()
    panel.forget_splits()


def test_a_group_that_is_too_small_for_the_game_is_one_sentence(panel):
    panel.update(view=RELABEL, question="COMPAS: rearrest, race", split_k=1000)
    assert len(panel.relabel_frame()) == 0
    panel.update(question="Adult: native country", split_k=1000)
    with pytest.raises(ValueError, match="k must be from 1 to"):
        panel.split_once()


# 8 Convention


def test_both_conventions_stand_beside_each_other_whatever_is_on(panel):
    panel.update(view=CONVENTIONS, scheme="one-hot")
    frame = panel.convention_frame()
    wide = frame.pivot_table(index="group", columns=["convention", "metric"], values="value")
    book, task = panel.book, panel.task
    scores = book.scores(LINEAR, "one-hot", np.nan)
    for convention, rows in (("paper", book.test), ("published", book.train)):
        rates = group_rates(task.label[rows], scores[rows], task.group[rows])
        found = gaps(rates, task.reference, convention).set_index(["metric", "group"])["value"]
        for group in wide.index:
            assert wide.loc[group, (convention, "average_absolute_odds")] == pytest.approx(
                found["average_absolute_odds", group]
            )
    parity = strong_parity(scores[book.test], task.group[book.test], task.reference).set_index("group")["value"]
    np.testing.assert_allclose(wide["paper", "strong_parity"], parity[wide.index])
    before = list(panel._convention_figure.data[1].x)
    panel.convention = "published"
    np.testing.assert_array_equal(panel._convention_figure.data[1].x, before)
    assert "All other views now use <b>published</b>" in panel._convention_text.value


# All of them


@pytest.mark.parametrize("question", questions())
def test_every_question_draws_every_view_without_an_error(panel, question):
    panel.question = question
    for view in VIEWS[:-1]:
        panel.view = view
        assert len(panel.frame()) > 0 or view == RELABEL  # repeats are stored for COMPAS and ethnicity alone
        assert all(len(figure.layout.title.text.split("<br>")[0]) <= 68 for figure in panel.shown_figures())
    assert not errors(panel)


@pytest.mark.parametrize("view", VIEWS[:-1])
def test_every_view_answers_a_slider_in_time(panel, view):
    panel.update(view=view, scheme="smoothing")
    times = []
    for name, value in (("smoothing", 1e3), ("smoothing", 1e4), ("noise", 0.2), ("noise", 0.4)):
        setattr(panel, name, value)
        times.append(1000 * panel.last_redraw_seconds)
    print(f"{view}: {[round(time) for time in times]} ms")
    assert min(times) < 500  # several times what an idle machine takes: what must not come back is computing all anew


def test_only_the_visible_view_is_drawn(panel):
    panel.view = LADDER
    hidden = panel._frontier_figure.layout.title.text
    panel.model = BOOSTED
    assert panel._frontier_figure.layout.title.text == hidden
    panel.view = FRONTIER
    assert BOOSTED in panel._frontier_figure.layout.title.text


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("scheme", "woe", "scheme must be one of 'drop', 'one-hot', 'smoothing', 'noise', got 'woe'"),
        ("smoothing", -1.0, "smoothing must be one of 0.0, 1.0"),
        ("noise", float("nan"), "noise must be one of 0.05"),
        ("threshold", 1.5, r"threshold must be from 0.05 to 0.95 \(score\), got 1.5"),
        ("convention", "mine", "convention must be one of 'paper', 'published', got 'mine'"),
        ("question", "COMPAS", "question must be one of 'COMPAS: ethnicity'"),
        ("lab_n", 1, r"lab_n must be from 2 to 10000 \(count\), got 1"),
    ],
)
def test_wrong_values_from_code_are_named(panel, name, value, words):
    with pytest.raises(ValueError, match=words):
        setattr(panel, name, value)


def test_export_holds_what_is_shown(panel, tmp_path):
    panel.update(view=FRONTIER)
    panel.export_csv(tmp_path / "frontier.csv")
    table = pd.read_csv(tmp_path / "frontier.csv")
    assert set(table["convention"]) == {"paper"}
    assert len(table) == len(panel.frontier_frame())
    panel.export_html(tmp_path / "frontier.html")
    assert "not encoded (blind)" in (tmp_path / "frontier.html").read_text()


def test_claims_table_shows_stored_results_and_a_run_replaces_the_frontier(panel, monkeypatch):
    small = report.FairEncodingConfig(
        seeds=(0,), models=(LINEAR,), noise=(0.3,), smoothing=(0.0, 1e4), published_noise=(), others=False
    )
    monkeypatch.setattr(report, "HALF", small)
    table = report.ClaimsTable()
    assert "measured on" in table.value
    assert all(f"C{number}" in table.value for number in range(1, 9))
    swept, groups = panel._sweep, panel._groups
    runs = report.run_panel(table, panel.show_sweep)
    runs.start(report.RUN_HALF)
    runs.wait(120)
    assert not errors(runs)
    panel.view = FRONTIER
    assert len(trace(panel._frontier_figure, "smoothing").x) == 2
    panel.show_sweep(swept, groups)
