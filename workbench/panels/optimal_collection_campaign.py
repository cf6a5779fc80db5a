"""The view of notebook 02 in which a person collects data round by round, against the regression and against LOC."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.estimators import CURVES, CollectionProblem, simulate_campaign
from workbench.estimators.policies import Decision
from workbench.estimators.requirement import rank_weights
from workbench.experiments.campaign_game import (
    LEARNED_ON,
    RIVALS,
    YOU,
    advice,
    measured_so_far,
    own_campaign,
    rivals,
    scoreboard,
)
from workbench.figures import campaigns as draw
from workbench.figures.how_much_data import short
from workbench.figures.updates import copy_into
from workbench.panels.run import table_html

CAMPAIGN = "4 Campaign"
HIDDEN = "hidden"
NEVER = "The measured curve never reaches this target, so nothing beats giving up at once."


class CampaignViews(traitlets.HasTraits):
    """A campaign on the hidden curve of the chosen task; mixed into the panel of notebook 02, which says what is played for.

    ``game`` is ``"play"`` (place orders yourself) or ``"watch"`` (see the policies' rounds up to ``watched``); ``blind`` hides
    the advice until an order is placed; ``order`` is what :meth:`place_order` places; ``orders`` holds those placed, 0 for
    giving up.
    """

    game = traitlets.Unicode("play")
    blind = traitlets.Bool(True)
    order = traitlets.Int(1000)
    orders = traitlets.Tuple()
    playing = traitlets.Tuple(help="what the orders were placed for: task, target, rounds, samples at the start")
    watched = traitlets.Int(0)

    def build_campaign_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._play_rivals = lru_cache(maxsize=32)(self._rival_campaigns)
        self._play_orders = lru_cache(maxsize=32)(self._own_campaign)
        self._advise = lru_cache(maxsize=32)(self._policies_in_your_place)
        game = self.choice("game", {"Play yourself": "play", "Watch the policies": "watch"}, "Campaign", place=False)
        blind = self.toggle("blind", "Blind: no advice before I have ordered", place=False)
        order = self.number("order", 1, 10**9, 1, "Your next order", "samples", place=False)
        place = self.button("Order", self.place_order, primary=True, place=False, tooltip="Buy, train, see the score")
        stop = self.button("Give up", self.give_up, place=False, tooltip="Order no more and pay the penalty")
        again = self.button("New game", self.new_game, place=False, tooltip="Start again with the same target")
        watched = self.slider("watched", 0, 10, 1, "Show up to round", "count", place=False)
        self._watcher = widgets.Play(min=0, max=10, interval=900, tooltip="Play the rounds one by one")
        widgets.jslink((self._watcher, "value"), (watched, "value"))
        self._yours, self._theirs = (blind, order, place, stop, again), (watched, self._watcher)
        self._order_limit = 0
        self._campaign_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._campaign_figure = self.add_figure(self._draw_campaign())
        controls = [game, *self._yours, *self._theirs, self._campaign_text]
        self.add_view(CAMPAIGN, [self._campaign_figure], self._redraw_campaign, controls)

    # What a person does

    def place_order(self, samples: int | None = None) -> None:
        """Buy ``samples`` (default :attr:`order`), train and look; the campaign ends at the target or after T rounds.

        Raises:
            ValueError: the campaign is over, or the order is not from 1 to what may be owned.
        """
        self._keep_or_restart()
        status = self.your_campaign()["status"].iloc[-1]
        if status != "open":
            raise ValueError(f"this campaign is over ({status}): press New game to play again")
        if samples is not None:
            self.order = samples
        self.orders = (*self.orders, float(self.order))

    def give_up(self) -> None:
        """Order no more and pay the penalty."""
        self._keep_or_restart()
        if self.your_campaign()["status"].iloc[-1] == "open":
            self.orders = (*self.orders, 0.0)

    def new_game(self) -> None:
        """Forget the orders."""
        self.orders = ()

    # The games

    @property
    def problem(self) -> CollectionProblem:
        """What is played for: target, rounds, cost and penalty of the panel."""
        return CollectionProblem(self.target, self.rounds, self.cost, self.penalty)

    @property
    def plays_blind(self) -> bool:
        """Whether nothing may say what to order next: a game is under way, and its player wants no advice."""
        return self.game == "play" and self.blind and self.your_campaign()["status"].iloc[-1] == "open"

    def your_campaign(self) -> pd.DataFrame:
        """Return your rounds so far."""
        return self._play_orders(self._game_key(), self.orders, self.cost, self.penalty)

    def rival_campaigns(self) -> dict[str, pd.DataFrame]:
        """Return the campaigns of the regression, the regression with tau, and LOC, from start to end."""
        return self._play_rivals(self._game_key(), self.family, self.weights, self.cost, self.penalty)

    def campaign_frame(self) -> pd.DataFrame:
        """Return the rounds of all players that are shown, one below the other."""
        parts = [campaign.assign(player=player) for player, campaign in self._shown_campaigns().items()]
        frame = pd.concat(parts, ignore_index=True)
        return frame[["player", *(name for name in frame if name != "player")]]

    def _shown_campaigns(self) -> dict[str, pd.DataFrame]:
        if self.game == "watch":
            return {name: c[c["round"] <= self.watched] for name, c in self.rival_campaigns().items()}
        yours = {YOU: self.your_campaign()}
        return yours if yours[YOU]["status"].iloc[-1] == "open" else yours | self.rival_campaigns()

    def _game_key(self) -> tuple:
        task = self.current
        return task.name, task.oracle.scores.tobytes(), task.initial_size, self.target, self.rounds, self.q_max

    def _own_campaign(self, key: tuple, orders: tuple[float, ...], cost: float, penalty: float) -> pd.DataFrame:
        return own_campaign(self.current, self.problem, orders, self.q_max)

    def _rival_campaigns(
        self, key: tuple, family: str, weights: str, cost: float, penalty: float
    ) -> dict[str, pd.DataFrame]:
        task, problem = self.current, self.problem
        players = rivals(family, weights, problem.rounds)
        return {
            name: simulate_campaign(task.oracle, policy, problem, task.start_sizes, q_max=self.q_max)
            for name, policy in players.items()
        }

    def _policies_in_your_place(
        self, key: tuple, orders: tuple[float, ...], family: str, weights: str, cost: float, penalty: float
    ) -> tuple[Decision, Decision]:
        """Return what LOC and the regression would do after ``orders``."""
        task, problem = self.current, self.problem
        campaign = self._play_orders(key, orders, cost, penalty)
        players = rivals(family, weights, problem.rounds)
        return tuple(advice(task, campaign, problem, players[name], self.q_max) for name in ("LOC", "regression"))

    def _decisions(self, orders: tuple[float, ...]) -> tuple[Decision, Decision]:
        return self._advise(self._game_key(), orders, self.family, self.weights, self.cost, self.penalty)

    # What is drawn

    def _keep_or_restart(self) -> None:
        """Forget the orders when they were placed for another game, and fit the controls to this one."""
        task = self.current
        now = (task.name, self.target, self.rounds, task.initial_size)
        limit = max(int(self.q_max) - task.initial_size, 2)
        with self.hold():
            if self._order_limit != limit:
                self._order_limit = limit
                self.set_range("order", 1, limit)
                self.controls["order"].step = max(1, task.initial_size // 50)
            if self.playing != now:
                order = self.order if self.playing[-1:] == now[-1:] else min(task.initial_size, limit)
                self.update(playing=now, orders=(), order=order)
            if self.controls["watched"].max != self.rounds:
                self.set_range("watched", 0, self.rounds)
                self._watcher.max = self.watched = self.rounds

    def _redraw_campaign(self, changed: frozenset[str]) -> None:
        self._keep_or_restart()
        for controls, mode in ((self._yours, "play"), (self._theirs, "watch")):
            for control in controls:
                control.layout.display = None if self.game == mode else "none"
        if changed - {"order"}:
            copy_into(self._campaign_figure, self._draw_campaign())
        self._campaign_text.value = self._campaign_words()

    def _draw_campaign(self) -> go.Figure:
        task, shown = self.current, self._shown_campaigns()
        playing = YOU in shown and shown[YOU]["status"].iloc[-1] == "open"
        return draw.campaign_figure(
            (task.start_sizes, task.oracle.scores[: task.subsets]),
            shown,
            self.target,
            title=f"{self.label}: {self._headline(shown)}",
            score_name=task.score_name,
            limit=self.q_max,
            truth=None if playing else (task.oracle.sizes, task.oracle.scores),
            needed=task.oracle.required_size(self.target),
            advice=self._shown_advice() if playing and not self.blind else None,
        )

    def _headline(self, shown: dict[str, pd.DataFrame]) -> str:
        rounds = f"{self.rounds} round{'s' if self.rounds > 1 else ''}"
        if YOU not in shown:
            return f"three policies, {rounds}, round {min(self.watched, self.rounds)}"
        last = shown[YOU].iloc[-1]
        if last["status"] == "open":
            return f"your order {last['round'] + 1:.0f} of {self.rounds}"
        words = {"met": "you met the target", "missed": "you missed the target", "give up": "you gave up"}
        return words[last["status"]]

    def _shown_advice(self) -> draw.Advice:
        task = self.current
        loc = self._decisions(self.orders)[0]
        sizes, scores = measured_so_far(task, self.your_campaign())
        grid = np.geomspace(sizes[0], self.q_max, 120)
        curve = CURVES[self.family.split("+")[0]]().fit(sizes, scores, rank_weights(self.weights, len(sizes)))
        low, high = np.minimum(loc.law.quantile([0.05, 0.95]), grid[-1])
        size = np.nan if loc.give_up else float(loc.size[0])
        return draw.Advice(grid, curve.predict(grid), low, high, size, loc.plan.success_probability)

    # What is said

    def _campaign_words(self) -> str:
        shown = self._shown_campaigns()
        table = scoreboard(shown, self.problem)
        lines = self._watch_words() if self.game == "watch" else self._play_words(shown[YOU])
        if YOU in shown and len(shown) == 1:
            table = table[table["player"] == YOU]
            waiting = pd.DataFrame({"player": [*RIVALS, "optimum"], "result": HIDDEN})
            table = pd.concat([table, waiting], ignore_index=True)
        elif not np.isfinite(next(iter(shown.values()))["optimum"].iloc[0]):
            lines.append(NEVER)
        body = "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)
        return f"<div style='line-height:1.5'>{body}</div>" + table_html(readable(table))

    def _watch_words(self) -> list[str]:
        tau = rivals(self.family, self.weights, self.rounds)["regression + tau"].correction
        learned = "this very curve" if self.task == LEARNED_ON else LEARNED_ON
        return [
            "The regression orders what its fitted curve asks for. The second one aims "
            f"{tau:g} points higher: the least tau that met every target of {learned} in {self.rounds} round(s). LOC plans all "
            "rounds for the least expected cost. Move <i>Show up to round</i>, or press play."
        ]

    def _play_words(self, yours: pd.DataFrame) -> list[str]:
        last, unit = yours.iloc[-1], html.escape(self.current.score_name)
        lines = []
        if len(self.orders) and self.orders[-1] and len(yours) > 1:
            lines.append(
                self._in_your_place(self.orders[: int(last["round"]) - 1], self.orders[int(last["round"]) - 1])
            )
        if last["status"] != "open":
            return [*lines, self._verdict(last)]
        lines.insert(
            0,
            f"You own <b>{last['n']:,.0f}</b> samples ({unit}: <b>{last['score']:.2f}</b>) and have paid {money(last['paid'])}. "
            f"You need <b>{self.target:g}</b>; after order {self.rounds} a miss costs {money(self.penalty)}.",
        )
        if not self.blind:
            lines.append(self._advice_words(last))
        return lines

    def _in_your_place(self, before: tuple[float, ...], ordered: float) -> str:
        loc, regression = self._decisions(before)
        owned = float(self._play_orders(self._game_key(), before, self.cost, self.penalty)["n"].iloc[-1])
        return f"You ordered {ordered:,.0f}. In your place LOC {_wish(loc, owned)}, and the regression {_wish(regression, owned)}."

    def _advice_words(self, last: pd.Series) -> str:
        loc, regression = self._decisions(self.orders)
        owned, order = float(last["n"]), self.order
        return (
            f"Now <b>LOC {_wish(loc, owned)}</b>, foreseeing success by the last round with probability "
            f"{percent(loc.plan.success_probability)}, and the regression {_wish(regression, owned)}. By LOC's law your order of "
            f"{order:,.0f} meets the target at once with probability <b>{percent(float(loc.law.cdf(owned + order)))}</b>."
        )

    def _verdict(self, last: pd.Series) -> str:
        loc = self.rival_campaigns()["LOC"].iloc[-1]
        theirs = f"LOC {_ended(loc)} and paid {money(loc['total'])} in all."
        return f"You {_ended(last)} and paid {money(last['total'])} in all. {theirs}"


def _ended(last: pd.Series) -> str:
    rounds = f"{last['round']:.0f} order{'' if last['round'] == 1 else 's'}"
    words = {"met": "met the target with", "missed": "missed the target after", "give up": "gave up after"}
    return f"{words[last['status']]} {rounds}"


def _wish(decision: Decision, owned: float) -> str:
    """Return what a policy does next, as words that follow its name."""
    if decision.give_up:
        return "gives up"
    size = float(decision.size[0])
    return f"orders {short(max(np.ceil(size) - owned, 1))}" if np.isfinite(size) else "orders all it may"


def percent(probability: float) -> str:
    """Return a probability in percent, with as many digits as its distance from certainty needs.

    >>> percent(0.5), percent(0.9996), percent(0.99999999), percent(0.0004), percent(2e-9)
    ('50 %', '99.96 %', 'over 99.99 %', '0.04 %', 'below 0.01 %')
    """
    if probability > 0.9999:
        return "over 99.99 %"
    if 0 < probability < 0.0001:
        return "below 0.01 %"
    digits = 0 if 0.01 <= probability <= 0.99 else 2
    return f"{100 * probability:.{digits}f} %"


def money(amount: float) -> str:
    """Return an amount as a person writes it, in units of cost.

    >>> money(1234567.0), money(12.3456)
    ('1,234,567', '12.3')
    """
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def readable(board: pd.DataFrame) -> pd.DataFrame:
    """Return a scoreboard as text with units in its heading; what is not known is left empty."""
    table = pd.DataFrame({"player": board["player"]})
    table["orders (count)"] = _texts(board["orders"], "{:.0f}".format)
    table["samples owned (count)"] = _texts(board["data"], "{:,.0f}".format)
    for name in ("bill", "penalty", "total"):
        table[f"{name} (cost)"] = _texts(board[name], money)
    table["result"] = board["result"]
    table["above the least bill (%)"] = _texts(100 * board["extra"], "{:+.0f}".format)
    return table


def _texts(values: pd.Series, write: Callable[[float], str]) -> list[str]:
    return [write(value) if np.isfinite(value) else "" for value in values]
