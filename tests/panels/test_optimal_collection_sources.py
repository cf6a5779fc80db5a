"""The view of two sources: prices move what is cheapest, and LOC's orders appear when they were played."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets

from workbench.panels.base import Panel
from workbench.panels.optimal_collection_sources import PRICES, SourcesViews


class SourcesPanel(SourcesViews, Panel):
    """The one trait that the view needs of its panel."""

    rounds = traitlets.Int(3)

    def build(self):
        self.build_sources_view()


@pytest.fixture
def panel():
    return SourcesPanel()


def _trace(panel, name):
    return next(trace for trace in panel._map.data if trace.name.startswith(name))


def test_the_price_switches_from_noisy_to_clean_samples(panel):
    bought = []
    for price in (0.03, 0.1, 0.5):
        panel.price = price
        bought.append((_trace(panel, "cheapest mix").x[0], _trace(panel, "cheapest mix").y[0]))
    clean, noisy = zip(*bought, strict=True)
    assert clean[0] < clean[-1]
    assert noisy[0] > noisy[-1] == 65
    assert "0 noisy" in panel._source_text.value
    print(f"price: {1000 * panel.last_redraw_seconds:.0f} ms")


def test_the_marked_price_is_the_one_of_the_map(panel):
    panel.price = 0.31
    assert panel._switch.layout.shapes[0].x0 == 0.31
    assert "costs 0.31" in panel._map.layout.title.text
    assert len(panel._switch.data[0].x) == len(PRICES)


def test_a_price_that_the_page_has_rounded_is_the_same_price(panel):
    panel.price = 0.5
    before = panel._source_key()
    panel.price = 0.50119
    assert panel._source_key() == before


def test_mixture_has_rings_and_ensemble_follows_the_curves(panel):
    assert _trace(panel, "mixture, 1").visible is True
    cloud = np.array(_trace(panel, "needed, by 200").x)
    panel.success = "ensemble"
    assert _trace(panel, "mixture, 1").visible is False
    assert np.array_equal(cloud, _trace(panel, "needed, by 200").x)


def test_orders_appear_when_they_were_played_and_are_kept(panel):
    assert _trace(panel, "LOC's orders").visible is False
    panel.collect_sources()
    games = panel.wait(60)
    loc = games[games["player"] == "LOC"]
    assert list(_trace(panel, "LOC's orders").x) == loc["n_1"].tolist()
    assert len(panel._map.layout.annotations) == len(loc) - 1
    assert "<b>LOC</b>" in panel._source_text.value
    assert panel.sources_frame() is games
    panel.price = 0.3
    assert _trace(panel, "LOC's orders").visible is False
    panel.price = 0.1
    assert len(panel._map.layout.annotations) == len(loc) - 1


def test_another_pair_brings_its_own_targets(panel):
    panel.pair = "fashion-mnist"
    pair = panel.current_pair
    assert pair.scores.max() < panel.pair_target < pair.oracle.scores.max()
    assert "Fashion-MNIST" in panel._map.layout.title.text
    with pytest.raises(ValueError, match="pair_target must be from"):
        panel.pair_target = 93.0


def test_halves_of_the_classes_are_called_so(panel):
    panel.pair = "cifar-10 halves"
    assert "You own 2,500 first-half and 2,500 second-half samples" in panel._source_text.value
    assert panel._map.layout.yaxis.title.text == "Classes 5 to 9 (samples)"
    assert "when a second-half sample costs 0.1" in panel._map.layout.title.text


def test_without_a_campaign_the_cheapest_mixes_are_exported(panel):
    frame = panel.sources_frame()
    assert frame["price"].tolist() == PRICES.tolist()
    assert frame["n_2"].is_monotonic_decreasing
