"""The view of Table 1: stored numbers first, newer ones when they are handed over."""

from __future__ import annotations

import pytest

from workbench.experiments.optimal_collection import OptimalCollectionConfig, play_table_1
from workbench.experiments.results import load_results
from workbench.panels.base import Panel
from workbench.panels.optimal_collection_tables import TablesViews


class TablesPanel(TablesViews, Panel):
    """Nothing but the view."""

    def build(self):
        self.build_tables_view()


@pytest.fixture
def panel():
    return TablesPanel()


def test_stored_campaigns_fill_the_table(panel):
    table = panel.tables_frame()
    assert len(table) == 6 * 2 * 3
    assert table.notna()["failures"].all()
    stored = load_results("optimal_collection_sweep")
    part = stored[(stored["task"] == "VOC") & (stored["policy"] == "LOC") & (stored["rounds"] == 3)]
    row = table[(table["task"] == "VOC") & (table["policy"] == "LOC") & (table["rounds"] == 3)].iloc[0]
    assert row["failures"] == pytest.approx(100 * (1 - part["met"].mean()))


def test_loc_misses_no_more_targets_than_the_regression(panel):
    failures = panel.tables_frame().pivot(index=["task", "rounds"], columns="policy", values="failures")
    assert (failures["LOC"] <= failures["regression"] + 1e-9).all()


def test_another_task_changes_the_overlay_alone(panel):
    title = panel._table_figure.layout.title.text
    trace = panel._overlay_figure.data[0]
    panel.overlay = "nuScenes"
    assert "nuScenes" in panel._overlay_figure.layout.title.text
    assert panel._overlay_figure.data[0] is trace
    assert panel._table_figure.layout.title.text == title
    with pytest.raises(ValueError, match="overlay must be one of 'CIFAR-10'"):
        panel.overlay = "MNIST"
    print(f"overlay: {1000 * panel.last_redraw_seconds:.0f} ms")


def test_campaigns_played_just_now_replace_the_stored_ones(panel):
    config = OptimalCollectionConfig(tasks=("VOC",), rounds=(3,), n_boot=20, seeds=(0,), every=5)
    panel.show_games(play_table_1(config))
    table = panel.tables_frame()
    assert table["failures"].notna().sum() == 2
    assert "VOC, LOC" in panel._table_figure.data[0].y
    panel.overlay = "VOC"
    line = next(t for t in panel._overlay_figure.data if t.name == "LOC, measured here" and t.xaxis == "x2")
    assert list(line.x) == [70.0, 75.0]
