"""The campaign view of notebook 02 without a browser: what is hidden, what is shown, and when a game ends."""

from __future__ import annotations

import pytest
import traitlets

from workbench.experiments.tasks import load_task
from workbench.panels.base import Panel
from workbench.panels.memory import forget
from workbench.panels.optimal_collection_campaign import HIDDEN, CampaignViews, percent


class CampaignPanel(CampaignViews, Panel):
    """The traits that the view needs of its panel, and nothing else."""

    task = traitlets.Unicode("CIFAR-10")
    target = traitlets.Float(86.0)
    rounds = traitlets.Int(3)
    cost = traitlets.Float(1.0)
    penalty = traitlets.Float(1e7)
    family = traitlets.Unicode("power")
    weights = traitlets.Unicode("doubling")
    times = traitlets.Float(20.0)

    def build(self):
        self.tasks = {name: load_task(name) for name in ("CIFAR-10", "ImageNet")}
        self.build_campaign_view()

    @property
    def current(self):
        return self.tasks[self.task]

    @property
    def q_max(self):
        return self.times * self.current.initial_size

    @property
    def label(self):
        return self.task


@pytest.fixture
def panel():
    return CampaignPanel()


def _trace(panel, name, lower=False):
    return next(t for t in panel._campaign_figure.data if t.name == name and (t.yaxis == "y2") == lower)


def _words(panel):
    return panel._campaign_text.value


def test_truth_and_the_others_are_hidden_until_the_game_ends(panel):
    panel.place_order(1000)
    assert _trace(panel, "true curve").visible is False
    assert panel._campaign_figure.layout.annotations[-1].text == "target 86"
    assert list(panel.campaign_frame()["player"].unique()) == ["you"]
    assert _words(panel).count(HIDDEN) == 4
    panel.place_order(20_000)
    assert _trace(panel, "true curve").visible is True
    assert "needed: 9.05 k" in panel._campaign_figure.layout.annotations[-1].text
    assert list(panel.campaign_frame()["player"].unique()) == ["you", "regression", "regression + tau", "LOC"]
    assert HIDDEN not in _words(panel)
    assert "you met the target" in panel._campaign_figure.layout.title.text


def test_blind_hides_advice_for_the_next_order_and_tells_it_for_the_last(panel):
    fit = "regression's fit to your points"
    assert _trace(panel, fit).visible is False
    assert "LOC orders" not in _words(panel)
    panel.place_order(1000)
    assert "You ordered 1,000. In your place LOC orders" in _words(panel)
    assert "Now <b>LOC" not in _words(panel)
    panel.blind = False
    assert _trace(panel, fit).visible is True
    assert "Now <b>LOC orders" in _words(panel)


def test_a_larger_order_is_likelier_to_suffice(panel):
    panel.blind = False

    def chance():
        return float(panel._decisions(())[0].law.cdf(5000 + panel.order))

    chances = []
    for order in (1, 2000, 3000, 40_000):
        panel.order = order
        chances.append(chance())
        assert percent(chances[-1]) in _words(panel)
    assert chances == sorted(chances)
    assert chances[0] < 0.1 < chances[2]


def test_giving_up_ends_the_game_with_the_penalty_and_a_new_game_starts_afresh(panel):
    panel.place_order(500)
    panel.give_up()
    assert panel.your_campaign().iloc[-1][["status", "total"]].tolist() == ["give up", 500 + 1e7]
    assert "You gave up after 1 order and paid 10,000,500 in all" in _words(panel)
    with pytest.raises(ValueError, match="this campaign is over"):
        panel.place_order(500)
    panel.give_up()
    assert panel.orders == (500.0, 0.0)
    panel.new_game()
    assert panel.your_campaign()["status"].tolist() == ["open"]


def test_loc_that_gives_up_says_so(panel):
    panel.update(penalty=10.0, blind=False)
    assert "Now <b>LOC gives up</b>" in _words(panel)
    panel.game = "watch"
    assert panel.rival_campaigns()["LOC"]["status"].iloc[-1] == "give up"
    assert "gave up" in _trace(panel, "LOC", lower=True).text[-1]


@pytest.mark.parametrize("change", [{"target": 87.0}, {"rounds": 4}, {"task": "ImageNet", "target": 60.0}])
def test_another_target_or_curve_is_another_game(panel, change):
    panel.place_order(1000)
    panel.update(**change)
    assert panel.orders == ()


def test_price_and_penalty_leave_the_orders_and_change_the_bill(panel):
    panel.place_order(1000)
    panel.cost = 3.0
    assert panel.orders == (1000.0,)
    assert panel.your_campaign()["paid"].iloc[-1] == 3000


def test_watching_shows_the_policies_round_by_round(panel):
    panel.game = "watch"
    loc = panel.rival_campaigns()["LOC"]
    for rounds in (0, 1, 2):
        panel.watched = rounds
        assert list(_trace(panel, "LOC", lower=True).x) == loc["n"].tolist()[: rounds + 1]
    assert _trace(panel, "you").visible is False
    assert panel.controls["order"].layout.display == "none"
    assert panel.controls["watched"].layout.display is None


def test_orders_survive_when_the_cell_runs_again():
    forget()
    CampaignPanel(key="campaign").place_order(700)
    assert CampaignPanel(key="campaign").orders == (700.0,)
    forget()


def test_impossible_orders_are_named(panel):
    with pytest.raises(ValueError, match="order must be from 1 to 95000"):
        panel.place_order(0)
    with pytest.raises(ValueError, match="order must be from 1 to 95000"):
        panel.place_order(100_000)
    assert panel.orders == ()


def test_nobody_owns_more_than_the_panel_allows():
    panel = CampaignPanel(times=1.3, target=92.0)
    assert panel.order == 1500
    with pytest.raises(ValueError, match="order must be from 1 to 1500"):
        panel.place_order(1501)
    panel.place_order(1500)
    assert panel.your_campaign()["n"].iloc[-1] == 6500
    assert max(game["n"].max() for game in panel.rival_campaigns().values()) <= 6500


def test_a_target_beyond_the_measured_curve_is_said_to_be(panel):
    panel.update(target=99.0, game="watch")
    assert "never reaches this target" in _words(panel)


def test_a_redraw_is_quick(panel):
    panel.place_order(1000)
    panel.blind = False
    panel.order = 2000
    print(f"order: {1000 * panel.last_redraw_seconds:.0f} ms")
    assert panel.last_redraw_seconds < 1.5  # several times what an idle machine takes


def test_a_mixture_of_families_plays_too(panel):
    panel.update(family="power+log+root", blind=False)
    assert "LOC orders" in _words(panel)
    assert list(panel.rival_campaigns()) == ["regression", "regression + tau", "LOC"]
