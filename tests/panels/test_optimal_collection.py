"""The panel of notebook 02 without a browser: attributes in, plans, words and drawn numbers out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.estimators import CURVES, CampaignLog, CollectionProblem, LocPolicy, RequirementDistribution, plan
from workbench.estimators.one_round import efficient_orders
from workbench.experiments.optimal_collection import OptimalCollectionConfig
from workbench.panels import optimal_collection_report as report
from workbench.panels.curve_choice import CurveChoice
from workbench.panels.optimal_collection import MIXTURES, VIEWS, OptimalCollectionPanel


@pytest.fixture(scope="module")
def shared():
    return OptimalCollectionPanel()


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def _trace(panel, figure: str, name: str):
    return next(trace for trace in panel._live[figure].data if trace.name and trace.name.startswith(name))


def test_a_blind_game_hides_the_answer_until_it_is_over(panel):
    def hidden():
        return panel._answer_box.layout.display == "none"

    assert not hidden()
    panel.view = VIEWS[3]
    assert hidden()
    panel.blind = False
    assert not hidden()
    panel.blind = True
    panel.give_up()
    assert not hidden()
    panel.new_game()
    assert hidden()
    panel.view = VIEWS[0]
    assert not hidden()


def test_answer_is_the_exact_plan_for_the_controls(panel):
    sizes, scores = panel.known
    law = RequirementDistribution.from_curve(
        sizes, scores, 65, family=("power", "power_saturating"), n_boot=300, weights="doubling"
    )
    best = plan(law, 5000, cost=1, penalty=1e7, rounds=3)
    assert panel.best.orders.tolist() == best.orders.tolist()
    assert f"Order {best.orders[0]:,.0f} samples now" in panel._answer_box.value
    assert f"expected bill {best.expected_cost - 1e7 * (1 - best.success_probability):,.0f}" in panel.answer


def test_only_the_ratio_of_penalty_and_cost_moves_the_order(panel):
    before = panel.best.orders.tolist()
    panel.update(cost=10.0, penalty=1e8)
    assert panel.best.orders.tolist() == before


def test_dragging_the_penalty_makes_the_best_order_jump_from_the_near_mode_to_the_far_one(panel):
    stars = {}
    for exponent in range(30, 101):
        panel.penalty = 10 ** (exponent / 10)
        stars[exponent] = _trace(panel, "landscape", "best order").x[0]
    sizes = np.array(list(stars.values()))
    assert np.all(np.diff(sizes) >= 0)
    jumps = np.diff(sizes) / sizes[:-1]
    give_up, mode = np.sort(np.argsort(jumps)[-2:])
    assert sizes[give_up] == 5000
    assert sizes[mode] < 25_000 < 40_000 < sizes[mode + 1]
    assert np.delete(jumps, [give_up, mode]).max() < 0.15


def test_markers_stand_at_the_answers_of_one_fit_and_of_the_mean(panel):
    sizes, scores = panel.known
    fitted = CURVES["power"]().fit(sizes, scores, 2.0 ** np.arange(5)).required_size(65)
    assert _trace(panel, "landscape", "one fitted curve").x[0] == fitted
    assert _trace(panel, "landscape", "mean of the fits").x[0] == pytest.approx(panel.law.requirements.mean())


def test_truth_is_hidden_until_it_is_revealed(panel):
    truth = _trace(panel, "landscape", "really needed")
    assert truth.visible is False
    panel.reveal = True
    assert (truth.visible, truth.x[0]) == (True, panel.current.oracle.required_size(65))
    panel.view = VIEWS[4]
    assert _trace(panel, "ensemble", "measured later").x[-1] == 45_000


def test_risk_dial_shows_the_quantile_and_the_penalty_for_which_it_is_best(panel):
    panel.view = VIEWS[1]
    dial = panel.dial()
    assert dial.verdict == "optimal"
    assert float(panel.law.sf(dial.size)) == pytest.approx(0.001)
    dialled = _trace(panel, "risk", "risk dialled")
    assert (dialled.x[0], dialled.y[0]) == (dial.size, 0.001)
    assert f"{dial.size:,.0f}</b> samples" in panel._risk_box.value
    assert "It is wrong here" in panel._risk_box.value
    assert plan(panel.law, 5000, cost=1, penalty=dial.penalty, rounds=1).sizes[0] == pytest.approx(dial.size, abs=1.01)


def test_risk_that_no_penalty_justifies_is_said_to_be_so(panel):
    panel.update(view=VIEWS[1], risk=10**-0.3)
    assert panel.dial().verdict in ("rising", "give up", "another size")
    assert "No penalty makes it the best order" in panel._risk_box.value
    assert "best for no penalty" in _trace(panel, "risk", "risk dialled").name
    orders = efficient_orders(panel.law, 5000)
    assert not np.any(np.isclose(orders.sizes, panel.dial().size, rtol=1e-3))


def test_solvers_can_be_compared(panel):
    panel.update(view=VIEWS[2], rounds=5)
    assert _trace(panel, "rounds", "the exact plan").visible is False
    panel.solver = "gradient"
    descent = panel.plan_for(5, "gradient")
    gap = 100 * (descent.expected_cost / panel.best.expected_cost - 1)
    assert gap >= -1e-9
    assert f"{gap:.2g} % dearer than the exact plan" in panel._live["rounds"].layout.title.text
    assert tuple(_trace(panel, "rounds", "the exact plan").y[1:-1]) == tuple(panel.best.sizes)
    assert panel.frame()["solver"].tolist() == ["gradient"] * 5


def test_waiting_is_worth_something_and_never_less_with_more_rounds(panel):
    panel.view = VIEWS[2]
    costs = _trace(panel, "rounds", "expected cost with").y
    assert len(costs) == 10
    assert np.all(np.diff(costs) <= 0)
    assert costs[2] == pytest.approx(panel.best.expected_cost, rel=2e-3)
    assert _trace(panel, "rounds", "if the requirement were known").y[0] < costs[-1]


def test_three_distinct_sizes_make_a_tail(panel):
    panel.update(view=VIEWS[4], family="root", target=51.0)
    four = panel.law.requirements.max()
    panel.min_distinct = 3
    assert panel.law.requirements.max() > 3 * four
    assert len(_trace(panel, "ensemble", "root").x) == 200 * 61


def test_the_target_line_of_the_ensemble_can_be_dragged(panel):
    panel.view = VIEWS[4]
    panel._live["ensemble"].layout.shapes[0].y0 = 60.13
    assert panel.target == 60.25


@pytest.mark.parametrize(
    "values, status, words",
    [
        ({"target": 30.0}, "met", "met already"),
        ({"penalty": 1e4}, "give up", "Give up: missing the target costs 10,000"),
        ({"target": 85.0, "family": "arctan", "cap": 2}, "unreachable", "Out of reach: no resampled curve"),
        ({"target": 85.0, "family": "arctan"}, "collect", "Order "),
    ],
)
def test_every_status_is_said_in_words_and_drawn_in_every_view(panel, values, status, words):
    panel.update(**values)
    assert panel.best.status == status
    for view in VIEWS[:5]:
        panel.view = view
    assert words in panel._answer_box.value
    assert not [message for message in panel.messages if message.level == "error"]


def test_what_speaks_against_the_answer_is_said(panel):
    panel.update(task="nuScenes", target=30.0, family="power+arctan+log+root")
    assert "not even 56,260 samples" in panel._answer_box.value
    panel.update(task="ImageNet", family="power")
    assert "the resampled fits give only 1 answer(s)" in panel._answer_box.value


@pytest.mark.parametrize("family", [*CURVES, *MIXTURES])
@pytest.mark.parametrize("task", ["VOC", "LCDB: Fashion-MNIST, LinearDiscriminantAnalysis"])
def test_every_family_draws_every_view(panel, task, family):
    panel.update(task=task, family=family)
    for view in VIEWS[:3] + VIEWS[4:5]:
        panel.view = view
        assert len(panel.frame()) > 0
        assert all(len(figure.layout.title.text.split("<br>")[0]) <= 68 for figure in panel.shown_figures())
    assert not [message for message in panel.messages if message.level == "error"]


def test_target_and_penalty_follow_the_task_unless_they_are_set_with_it(panel):
    panel.task = "VOC"
    assert (panel.target, panel.penalty, panel.owned) == (74.0, 1e6, 4)
    panel.update(task="CIFAR-10", target=80.0, penalty=1e5)
    assert (panel.target, panel.penalty) == (80.0, 1e5)


def test_only_the_visible_view_is_drawn(panel):
    hidden = panel._live["rounds"].layout.title.text
    panel.task = "CIFAR-10"
    assert panel._live["rounds"].layout.title.text == hidden
    panel.view = VIEWS[2]
    assert "CIFAR-10" in panel._live["rounds"].layout.title.text


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_answers_a_slider_in_time(panel, view):
    panel.view = view
    name, values = ("risk", (1e-4, 1e-5)) if view == VIEWS[1] else ("target", (66.0, 67.0))
    times = []
    for value in values:
        setattr(panel, name, value)
        times.append(1000 * panel.last_redraw_seconds)
    print(f"{view}: {max(times):.0f} ms")
    assert min(times) < 500  # several times what an idle machine takes: what must not come back is computing all anew
    assert len(panel.frame()) > 0


CURVE = b"images;accuracy\n500;61,2\n1000;66,0\n2000;70,1\n4000;73,4\n8000;76,2\n"


def test_own_curve_gets_an_order():
    panel = OptimalCollectionPanel()
    panel.receive_file("mine.csv", CURVE)
    assert (panel.task, panel.view, panel.current.initial_size, panel.penalty) == (
        "your data (mine.csv)",
        VIEWS[0],
        8000,
        1e7,
    )
    assert "mine.csv: 5 points, 1 curve(s). Order " in panel.messages[-1].text
    assert panel.best.orders[0] > 0


@pytest.mark.parametrize(
    "content, words",
    [
        (b"n,score\n500,61\n1000,sixty\n", "row 3, column 'score'"),
        (b"# campaign: target=90 rounds=3\nround,n,score,cost_paid\n0,500,61,0\n", "cost is missing"),
        (b"\x89PNG\r\n\x1a\n\x00", ""),
    ],
)
def test_a_wrong_file_is_one_sentence_and_changes_nothing(panel, content, words):
    before = (panel.task, panel.target, panel.view, list(panel.tasks))
    panel.receive_file("wrong.csv", content)
    assert panel.messages[-1].level == "error"
    assert words in panel.messages[-1].text
    assert (panel.task, panel.target, panel.view, list(panel.tasks)) == before


def _log(tmp_path, **problem) -> CampaignLog:
    facts = {"target": 90.0, "rounds": 3, "cost": 1.0, "penalty": 1e6} | problem
    sizes, scores = [1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9]
    return CampaignLog.start(tmp_path / "log.csv", CollectionProblem(**facts), sizes, scores, q_max=60_000)


def test_campaign_log_resumes_with_the_order_that_its_own_plan_places(tmp_path):
    panel = OptimalCollectionPanel()
    log = _log(tmp_path).record(9000, 85.0)
    panel.receive_file("log.csv", log.path.read_bytes())
    decision = log.decide(LocPolicy(("power", "power_saturating"), n_boot=300))
    assert (
        f"1 of 3 rounds done, 9,000 samples, score 85, 4,000 paid. Order {decision.plan.orders[0]:,.0f} samples now"
        in (panel.messages[-1].text)
    )
    assert (panel.view, panel.rounds, panel.target, panel.penalty, panel.q_max) == (VIEWS[2], 2, 90.0, 1e6, 60_000)
    assert panel.best.orders.tolist() == decision.plan.orders.tolist()
    assert panel.log.status == "open"


def test_campaign_log_whose_prices_lie_between_the_sliders_steps_says_so(tmp_path):
    panel = OptimalCollectionPanel()
    panel.receive_file("log.csv", _log(tmp_path, cost=0.37, penalty=3e6).path.read_bytes())
    assert "The sliders hold the nearest values that they can: cost, penalty" in panel.messages[-1].text
    assert panel.cost == pytest.approx(0.398, abs=1e-3)


def test_campaign_that_is_over_is_said_to_be_over(tmp_path):
    panel = OptimalCollectionPanel()
    log = _log(tmp_path, rounds=1).record(9000, 85.0)
    panel.receive_file("log.csv", log.path.read_bytes())
    assert panel.messages[-1].text.endswith("no round is left and the target was missed.")
    assert panel.messages[-1].level == "warning"


def test_campaign_log_of_two_sources_is_refused_in_plain_words(panel):
    content = (
        b"# campaign: target=90 rounds=3 cost=1;0.5 penalty=1e6 q_max=9000;9000\nround,n_1,n_2,score,cost_paid\n"
        b"0,100,100,50,0\n0,200,200,60,0\n"
    )
    panel.receive_file("two.csv", content)
    assert "this log has 2 sources" in panel.messages[-1].text


def test_wrong_values_from_code_are_named(panel):
    with pytest.raises(ValueError, match="family must be one of"):
        panel.family = "spline"
    with pytest.raises(ValueError, match=r"penalty must be from 1000 to 1e\+10 \(cost units\), got 1"):
        panel.penalty = 1.0
    assert panel.penalty == 1e7


def test_export_holds_what_is_shown(panel, tmp_path):
    panel.view = VIEWS[2]
    panel.export_csv(tmp_path / "plan.csv")
    table = pd.read_csv(tmp_path / "plan.csv")
    assert table["samples"].tolist() == panel.best.sizes.tolist()
    assert table["needed"].iloc[0] == 1.0
    panel.export_html(tmp_path / "plan.html")
    assert "the exact plan" in (tmp_path / "plan.html").read_text()


def test_panels_share_their_choice_of_a_learning_curve(panel):
    assert isinstance(panel, CurveChoice)
    assert panel.default_target(panel.tasks["CIFAR-100"]) == 62.0


def test_claims_table_shows_stored_results_and_then_those_measured_now(monkeypatch):
    small = OptimalCollectionConfig(n_boot=20, seeds=(0,), every=12, robustness=False, real=False)
    monkeypatch.setattr(report, "OptimalCollectionConfig", lambda **facts: small)
    table, shown = report.ClaimsTable(), []
    assert "measured on" in table.value
    runs = report.run_panel(table, shown.append)
    runs.start(report.RUN_TABLE)
    runs.wait(120)
    assert not [message for message in runs.messages if message.level == "error"]
    assert "Table 1 and C1 measured just now, the rest stored" in table.value
    assert set(shown[0]["policy"]) >= {"LOC", "regression"}
    assert all(claim in table.value for claim in ("C1", "C2", "C3", "C4", "C5"))
