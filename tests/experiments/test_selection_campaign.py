"""A campaign that is played by hand is the same as the measured one, step by step."""

from __future__ import annotations

import pytest

from workbench.datasets import EmojiStreetConfig
from workbench.experiments.selection_campaign import Campaign
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.targeted_selection_config import LoopConfig
from workbench.experiments.targeted_selection_loop import make_table, play
from workbench.retrieval import EfficientNetLite0Backbone

STREET = EmojiStreetConfig(width=256, height=160, prevalence=0.25, object_area=(0.01, 0.02))
SMALL = LoopConfig(
    PoolConfig(scenes=24, street=STREET), labelled=6, validation=16, test=16, budget=6, rounds=2, shortlist=12
)


@pytest.fixture(scope="module")
def table():
    return make_table(SMALL, 0, EfficientNetLite0Backbone(device="cpu"))


@pytest.mark.parametrize("method", ["GeM", "DTM", "DTM + diversity"])
def test_buying_by_one_method_is_the_measured_loop(table, method):
    campaign = Campaign(SMALL, table, "bike")
    for _ in range(SMALL.rounds):
        campaign.buy(method)
    measured = play(SMALL, table, "bike", method)
    frame = campaign.frame()
    for column in ("round", "bought", "positives", "ap"):
        assert frame[column].tolist() == [row[column] for row in measured]
    assert frame["method"].tolist() == ["", method, method]


def test_the_oracle_buys_positives_while_there_are_any_and_nothing_twice(table):
    campaign = Campaign(SMALL, table, "bike")
    first = campaign.buy("oracle")
    assert campaign.truth[list(first.bought)].sum() == min(SMALL.budget, campaign.truth.sum())
    for method in ("random", "DTM", "random"):
        campaign.buy(method)
    assert len(campaign.bought) == len(set(campaign.bought)) == 24
    with pytest.raises(ValueError, match="the pool has 0 scenes left, fewer than the 6 of a round"):
        campaign.buy("random")


def test_every_round_looks_for_another_failure_of_a_scene_that_is_never_learned_from(table):
    campaign = Campaign(SMALL, table, "dog")
    for _ in range(2):
        campaign.buy("DTM")
    failures = [one.failure for one in campaign.rounds]
    assert all(one.scene in table.roles["validation"] for one in failures)
    plain = table.held_scenes.select(table.roles["validation"]).of("dog").query("visible > 0.8")
    assert len(set(failures)) == min(3, len(plain)) > 1
    with pytest.raises(ValueError, match="method must be one of random, GeM"):
        campaign.buy("guess")
