"""The figure of a campaign draws every state with the same traces, and marks how each campaign ended."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.figures import campaigns as draw
from workbench.figures.theme import ROLES

KNOWN = np.array([100.0, 200.0]), np.array([50.0, 60.0])
TRUTH = np.array([100.0, 200.0, 400.0]), np.array([50.0, 60.0, 72.0])


def _campaign(status: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"round": [0, 1], "n": [200.0, 350.0], "score": [60.0, 69.0], "paid": [0.0, 150.0], "status": ["open", status]}
    )


def _figure(campaigns, **options):
    facts = {"title": "t", "score_name": "Score (%)", "limit": 4000.0}
    return draw.campaign_figure(KNOWN, campaigns, 70.0, **(facts | options))


ADVICE = draw.Advice(np.array([100.0, 4000.0]), np.array([50.0, 90.0]), 300.0, 600.0, 450.0, 0.9)
STATES = [
    _figure({}),
    _figure({"you": _campaign("open")}, advice=ADVICE),
    _figure({name: _campaign("met") for name in draw.PLAYERS}, truth=TRUTH, needed=360.0),
]


def test_every_state_has_the_same_traces_in_the_same_order():
    names = [[trace.yaxis for trace in figure.data] for figure in STATES]
    assert names[0] == names[1] == names[2]
    assert [trace.name for trace in STATES[0].data][-8:] == [trace.name for trace in STATES[2].data][-8:]


@pytest.mark.parametrize("figure", STATES, ids=["empty", "playing", "revealed"])
def test_title_and_units(figure):
    assert figure.layout.title.text == "t"
    titles = [figure.layout.xaxis2.title.text, figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text]
    assert all(title.endswith(")") for title in titles)


@pytest.mark.parametrize("status, symbol, role", [("met", "star", "good"), ("missed", "x", "bad")])
def test_the_last_point_says_how_it_ended(status, symbol, role):
    track = next(
        trace for trace in _figure({"LOC": _campaign(status)}).data if trace.name == "LOC" and trace.yaxis == "y2"
    )
    assert (track.marker.symbol[-1], track.marker.color[-1]) == (symbol, ROLES[role])
    assert status in track.text[-1]
    assert "350" in track.text[-1]


def test_what_is_needed_is_only_marked_with_the_truth():
    assert len(_figure({}, needed=360.0).layout.shapes) == 1
    revealed = _figure({}, needed=360.0, truth=TRUTH)
    assert revealed.layout.shapes[1].x0 == 360.0
    assert revealed.layout.annotations[1].text.strip() == "needed: 360"
    assert len(_figure({}, needed=np.inf, truth=TRUTH).layout.shapes) == 1


def test_hidden_scores_do_not_stretch_the_axis():
    hidden, revealed = _figure({"you": _campaign("open")}), _figure({"you": _campaign("open")}, truth=TRUTH)
    assert hidden.layout.yaxis.range[1] < revealed.layout.yaxis.range[1]
    assert hidden.layout.xaxis.range == revealed.layout.xaxis.range


def test_advice_to_give_up_draws_no_next_size():
    gives_up = draw.Advice(ADVICE.grid, ADVICE.scores, 300.0, 600.0, np.nan, 0.0)
    trace = next(trace for trace in _figure({}, advice=gives_up).data if trace.name.startswith("LOC would"))
    assert trace.name == "LOC would give up"
    assert trace.x == (None, None)
