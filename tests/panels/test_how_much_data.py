"""The panel of notebook 01 without a browser: attributes in, drawn numbers out."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from workbench.estimators import CURVES, PUBLISHED_FAMILY
from workbench.experiments.tasks import load_task
from workbench.panels.how_much_data import VIEWS, HowMuchDataPanel
from workbench.panels.how_much_data_report import RUN_CLAIMS, ClaimsTable, run_panel


@pytest.fixture
def panel():
    return HowMuchDataPanel(task="ImageNet", target=67.0, owned=15)


def _trace(figure, name: str):
    return next(trace for trace in figure.data if trace.name and trace.name.startswith(name))


def test_legend_says_each_answer_and_the_drop_line_stands_at_it(panel):
    figure = panel._live["curves"]
    assert [_trace(figure, f"{name}: ").name for name in PUBLISHED_FAMILY] == [
        "power: 570 k",
        "arctan: 1.12 M",
        "log: 624 k",
        "root: 697 k",
    ]
    traces = list(figure.data)
    drop = traces[traces.index(_trace(figure, "root: ")) + 1]
    assert drop.x[0] == pytest.approx(696_571, rel=1e-3)
    assert tuple(drop.y)[:1] == (67.0,)


def test_truth_is_hidden_until_it_is_revealed(panel):
    truth = panel._live["curves"].data[0]
    assert truth.visible is False
    panel.reveal = True
    assert truth.visible is True
    assert truth.x[-1] == 1_100_000


def test_target_moves_answers_in_place_and_in_time(panel):
    figure = panel._live["curves"]
    before, trace = _trace(figure, "log: ").name, figure.data[1]
    panel.target = 60.0
    assert _trace(figure, "log: ").name != before
    assert figure.data[1] is trace
    assert figure.layout.shapes[0].y0 == 60.0
    print(f"redraw: {1000 * panel.last_redraw_seconds:.0f} ms")


def test_fits_see_only_the_sizes_owned(panel):
    panel.owned = 4
    expected = CURVES["log"]().fit(*_points("ImageNet", 4)).required_size(67)
    panel.curve = "log"
    assert panel.report.size == expected


def _points(task: str, count: int):
    oracle = load_task(task).oracle
    return oracle.sizes[:count], oracle.scores[:count]


def test_only_the_visible_view_is_drawn(panel):
    hidden = panel._live["interval"].layout.title.text
    panel.task = "CIFAR-10"
    assert panel._live["interval"].layout.title.text == hidden
    panel.view = VIEWS[5]
    assert "CIFAR-10" in panel._live["interval"].layout.title.text


def test_amplifier_shift_equals_a_lower_target(panel):
    panel.view, panel.offset = VIEWS[1], 1.0
    text = dict(zip(panel._live["amplifier"].data[0].y, panel._live["amplifier"].data[0].text, strict=True))
    fit = CURVES["root"]().fit(*_points("ImageNet", 15))
    moved = fit.required_size(66) - fit.required_size(67)
    bars = dict(zip(panel._live["amplifier"].data[0].y, panel._live["amplifier"].data[0].x, strict=True))
    assert bars["root"] == pytest.approx(moved, rel=1e-6)
    assert "697 k" in text["root"]


def test_rounds_show_up_to_the_chosen_one(panel):
    panel.update(task="CIFAR-10", curve="log", rounds=5)
    panel.target = 92.0
    panel.view = VIEWS[2]
    game = panel.game()
    panel.shown = 2
    markers = panel._live["rounds"].data[2]
    assert list(markers.x) == game["n"].tolist()[:3]
    gauge = panel._live["rounds"].data[-1]
    assert gauge.value == pytest.approx(game["ratio"].iloc[2])
    panel.rounds = 3
    assert panel.shown == 3


def test_learning_tau_on_the_curve_itself_meets_its_targets(panel):
    panel.update(task="CIFAR-10", curve="power", rounds=5)
    panel._tune_here()
    assert panel.correction == 4.5
    assert panel.messages[-1].level == "good"


def test_ratio_map_marks_the_papers_values(panel):
    panel.update(task="CIFAR-10", rounds=3, view=VIEWS[3])
    dots = panel._live["ratios"].data[1]
    assert dict(zip(dots.y, dots.customdata, strict=True)) == {"power": 0.56, "log": 0.63, "root": 0.74, "arctan": 0.92}
    panel.rounds = 2
    assert len(panel._live["ratios"].data[1].y) == 0


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("task", ["VOC", "LCDB: Fashion-MNIST, LinearDiscriminantAnalysis"])
def test_every_view_draws_every_kind_of_curve(panel, view, task):
    panel.task = task
    panel.view = view
    assert not [message for message in panel.messages if message.level == "error"]
    assert len(panel.frame()) > 0


def test_ill_behaved_curve_is_reported_as_such(panel):
    panel.task = "LCDB: mnist_784, RidgeClassifier"
    panel.owned = 24
    panel.target = 90.0
    panel.view = VIEWS[6]
    assert panel.report.ill_behaved
    assert "Do not rely on this number" in panel._report_box.value


OWN = {
    "semicolons and decimal commas": b"images;accuracy\n500;61,2\n1000;66,0\n2000;70,1\n4000;73,4\n8000;76,2\n",
    "plain pairs": b"500 61.2\n1000 66.0\n2000 70.1\n4000 73.4\n8000 76.2\n",
    "several seeds": b"n,score,seed\n"
    + b"".join(b"%d,%.1f,%d\n" % (n, 20 + 6.5 * np.log(n) + s, s) for s in range(3) for n in (500, 1000, 2000, 4000)),
}


@pytest.mark.parametrize("content", OWN.values(), ids=OWN)
def test_own_curve_comes_in_and_a_report_comes_out(panel, content):
    panel.receive_file("mine.csv", content)
    assert panel.view == VIEWS[6]
    assert "mine.csv" in panel.task
    assert panel.messages[-1].level in ("good", "warning")
    assert "asks for" in panel.messages[-1].text
    assert panel.label in panel._live["report"].layout.title.text
    assert "Subsets worth training next" in panel._report_box.value


def test_own_fractions_and_errors_are_shown_in_percent(panel):
    panel.score_scale, panel.lower_is_better = 1, True
    panel.receive_file("errors.csv", b"n,error\n500,0.388\n1000,0.34\n2000,0.299\n4000,0.266\n8000,0.238\n")
    scale_and_errors = panel.report
    panel.score_scale, panel.lower_is_better = 100, False
    panel.receive_file("scores.csv", OWN["plain pairs"])
    assert panel.report.size == pytest.approx(scale_and_errors.size, rel=1e-6)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"n,score\n500,61\n1000,sixty\n", "row 3, column 'score'"),
        (b"n,score\n500,61\n1000,66\n", "need at least 3 distinct sizes, got 2"),
        (b"n,score\n500,0.61\n1000,0.66\n2000,0.7\n", "look like fractions"),
        (b"\x89PNG\r\n\x1a\n\x00", ""),
        (b"", ""),
    ],
)
def test_a_wrong_file_is_one_sentence_and_changes_nothing(panel, content, words):
    before = (panel.task, panel.target, panel.view, dict(panel.tasks))
    panel.receive_file("wrong.csv", content)
    assert panel.messages[-1].level == "error"
    assert words in panel.messages[-1].text
    assert "\n" not in panel.messages[-1].text
    assert (panel.task, panel.target, panel.view, dict(panel.tasks)) == before


def test_wrong_values_from_code_are_named(panel):
    with pytest.raises(ValueError, match="task must be one of"):
        panel.task = "CIFAR-11"
    with pytest.raises(ValueError, match="target must be from"):
        panel.target = 101.0
    assert panel.task == "ImageNet"


def test_export_holds_what_is_shown(panel, tmp_path):
    panel.export_csv(tmp_path / "answers.csv")
    table = pd.read_csv(tmp_path / "answers.csv")
    assert table.set_index("function")["required samples"]["root"] == pytest.approx(696_571, rel=1e-3)
    panel.export_html(tmp_path / "answers.html")
    assert "four answers" in (tmp_path / "answers.html").read_text()


def test_claims_table_shows_stored_and_then_new_results():
    table = ClaimsTable()
    assert "measured on" in table.value
    assert all(claim in table.value for claim in ("C1", "C2", "C3", "C4", "C5"))
    runs = run_panel(table, lambda tasks: None)
    started = time.perf_counter()
    runs.start(RUN_CLAIMS)
    runs.stop()
    runs.wait(60)
    assert not runs.running
    assert time.perf_counter() - started < 60
    assert "measured on" in table.value


def test_measured_curves_become_choices_of_the_panel(panel, monkeypatch, tmp_path):
    from workbench.experiments.learning_curves import CurveConfig, measure_learning_curves
    from workbench.experiments.tasks import measured_tasks

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    config = CurveConfig(learners=("3-NN",), seeds=(0, 1), fractions=(0.1, 0.2, 0.4, 1.0))
    panel.add_tasks(measured_tasks(measure_learning_curves(config), "just measured"))
    assert panel.task == "digits, 3-NN (just measured)"
    assert panel.seeds == 2
    assert panel.current.oracle.full_size == 1300
