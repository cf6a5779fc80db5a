"""The AND builder without a browser: what is said and drawn is what the ranking is."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.experiments.results import load_results
from workbench.experiments.selection_pairs import PairsConfig, PairTable, measure_pairs
from workbench.panels import targeted_selection_and
from workbench.panels.base import Panel
from workbench.panels.targeted_selection_and import AndViews
from workbench.retrieval import EfficientNetLite0Backbone


class AndPanel(AndViews, Panel):
    """Nothing but the view."""

    def build(self):
        self.build_and_view()


@pytest.fixture(scope="module")
def panel():
    return AndPanel()


@pytest.fixture(autouse=True)
def defaults(panel):
    panel.reset()


def _trace(panel, name, figure=0):
    return next(trace for trace in panel._and_live[figure].data if trace.name and trace.name.startswith(name))


def test_every_scene_is_drawn_once_by_what_it_shows(panel):
    kinds = [_trace(panel, name) for name in ("neither", "bike alone", "traffic light alone", "both")]
    assert sum(len(trace.x) for trace in kinds) == len(panel.pair_scores.image_ids)
    assert len({(trace.marker.symbol, trace.marker.color) for trace in kinds}) == 4
    both = panel.pair_scores.positives
    np.testing.assert_allclose(_trace(panel, "both").x, panel.pair_scores.z[both, 0])


@pytest.mark.parametrize("how", ["min", "mean", "max"])
@pytest.mark.parametrize("budget", [5, 40])
def test_as_many_scenes_lie_beyond_each_line_as_are_bought(panel, how, budget):
    panel.update(and_combination=how, and_budget=budget)
    line = _trace(panel, {"min": "min", "mean": "mean", "max": "max"}[how])
    level = (line.x[0] + line.y[0]) / 2 if how == "mean" else line.x[1]
    scores = panel.pair_scores.combined(how)
    assert (scores >= level - 1e-9).sum() == budget
    hits = panel.pair_scores.positives[panel.pair_scores.order(how)[:budget]].sum()
    assert line.name.endswith(f"{hits} of the best {budget}")
    assert f"{hits} of {budget} by {how} show both" in panel._and_live[0].layout.title.text
    assert line.line.width > max(t.line.width for t in panel._and_live[0].data if t.mode == "lines" and t is not line)


def test_the_wall_shows_the_best_scenes_with_both_matches_and_the_truth(panel):
    best = panel.pair_scores.order("min")[:8]
    words = panel._and_live[2].data[-1].text
    assert list(words[:2]) == ["look for: bike", "look for: traffic light"]
    assert [text.endswith("✔ both") for text in words[2:]] == panel.pair_scores.positives[best].tolist()
    assert all(trace.source.startswith("data:image/jpeg") for trace in panel._and_live[2].data[:10])
    frames = _trace(panel, "a hit", 2)
    assert len(frames.x) == 6 * panel.pair_scores.positives[best].sum()
    assert len(_trace(panel, "match of the bike", 2).x) == 6 * 8


def test_asking_for_one_class_twice_moves_the_other_list_on(panel):
    panel.and_first = "traffic_light"
    assert (panel.and_first, panel.and_second) == ("traffic_light", "bike")
    panel.and_second = "traffic_light"
    assert (panel.and_first, panel.and_second) == ("bike", "traffic_light")


def test_the_export_is_the_ranking(panel):
    panel.and_combination = "mean"
    frame = panel.and_frame()
    assert frame["mean"].is_monotonic_decreasing
    assert frame["image_id"].tolist() == [panel.pair_scores.image_ids[i] for i in panel.pair_scores.order("mean")]
    assert frame["shows bike"].sum() == panel.pair_scores.shows[:, 0].sum()


def test_no_picture_is_drawn_before_the_view_is_looked_at():
    class Hidden(AndPanel):
        def build(self):
            self.add_view("first", [])
            self.build_and_view()

    panel = Hidden()
    assert not any(trace.source for trace in panel._and_live[2].data[:10])
    panel.view = targeted_selection_and.AND
    assert all(trace.source for trace in panel._and_live[2].data[:10])


def test_a_redraw_is_quick(panel):
    for name, values in (
        ("and_budget", (25, 30, 35)),
        ("and_queries", (1, 2, 1)),
        ("and_combination", ("mean", "min")),
    ):
        times = []
        for value in values:
            setattr(panel, name, value)
            times.append(panel.last_redraw_seconds)
        print(f"{name}: {1000 * min(times):.0f} ms")
        assert min(times) < 1.2  # several times what an idle machine takes


def test_new_scenes_are_mined_and_take_the_place_of_the_stored_ones(monkeypatch):
    asked = []

    def quick(config, progress, cancel):
        asked.append(config)
        small = PairsConfig(6, config.first_seed, 1, config.query_seed, prevalence=0.5, joint=0.3)
        return measure_pairs(small, progress, cancel, backbone=EfficientNetLite0Backbone({8: 2}, device="cpu"))

    monkeypatch.setattr(targeted_selection_and, "measure_pairs", quick)
    panel = AndPanel()
    stored = panel._pairs_config
    panel.mine_pairs()
    panel.wait(60)
    assert asked[0].first_seed == stored.first_seed + stored.scenes
    assert len(panel.pair_scores.image_ids) == 6
    assert "mined just now" in panel._and_text.value
    assert panel._pairs_config == asked[0]


def test_the_stored_table_is_what_its_configuration_gives():
    stored = load_results("targeted_selection_pairs")
    config = PairsConfig(**stored.attrs["record"]["config"])
    table = PairTable(stored)
    assert (len(table.image_ids), table.queries) == (config.scenes, config.queries)
    scene = config.scene(table.image_ids[3])
    for category in table.categories:
        part = stored[(stored["image_id"] == scene.id) & (stored["category"] == category)]
        assert set(part["shows"]) == {int(scene.shows(category))}
