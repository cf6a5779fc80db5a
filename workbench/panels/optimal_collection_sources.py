"""The view of notebook 02 on two data sources: which mix reaches the target for the least money, and what LOC buys."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.estimators.source_laws import MixtureLaw
from workbench.experiments.source_game import SourcePair, play_pair, stored_pairs
from workbench.figures import two_sources as draw
from workbench.figures.updates import copy_into

TWO_SOURCES = "6 Two sources"
PRICES = np.geomspace(0.02, 2.0, 41)
PENALTY_SHARE = 100
"""Penalty in units of all samples of both sources, each at the price of a clean one."""

NAMES = {"digits": "digits", "fashion-mnist": "Fashion-MNIST", "cifar-10 halves": "CIFAR-10, halves of the classes"}

_CELLS = 36


class SourcesViews(traitlets.HasTraits):
    """Two measured sources on a map; mixed into the panel of notebook 02.

    ``pair`` names the data set, ``pair_target`` the score to reach, ``price`` what a sample of source 2 costs in samples of
    source 1 (its two leading digits count), ``success`` how LOC judges a mix (``"mixture"`` or ``"ensemble"``).
    :meth:`collect_sources` plays LOC's campaign.
    """

    pair = traitlets.Unicode("digits")
    pair_target = traitlets.Float(93.0)
    price = traitlets.Float(0.1)
    success = traitlets.Unicode("mixture")

    def build_sources_view(self) -> None:
        """Make the controls, the map, the plot of the switch, and the tab."""
        self._pairs = stored_pairs()
        self._source_games: dict[tuple, pd.DataFrame] = {}
        self._cheapest = lru_cache(maxsize=64)(self._cheapest_mixes)
        self._page_pair = ""
        controls = [
            self.dropdown("pair", {NAMES[pair]: pair for pair in self._pairs}, "Images", place=False),
            self.slider("pair_target", 1, 100, 0.25, "Target of both sources", "points", place=False),
            self.slider(
                "price",
                PRICES[0],
                PRICES[-1],
                description="Price of a source-2 sample",
                unit="source-1 samples",
                log=True,
                step=0.05,
                format=".2g",
                tooltip="Source 2 has noisy labels, or the second half of the classes; the axes say which",
                place=False,
            ),
            self.choice("success", ["mixture", "ensemble"], "LOC judges success by the", place=False),
            self.button(
                "Let LOC collect", self.collect_sources, primary=True, place=False, tooltip="One to three seconds"
            ),
        ]
        self._source_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._fit_pair()
        self._map = self.add_figure(self._draw_map())
        self._switch = self.add_figure(self._draw_switch())
        self.add_view(TWO_SOURCES, [self._map, self._switch], self._redraw_sources, [*controls, self._source_text])

    @property
    def current_pair(self) -> SourcePair:
        """The two sources that are shown."""
        return self._pairs[self.pair]

    @property
    def used_price(self) -> float:
        """The price with two digits: the slider's page rounds what code sets, and an answer should not depend on that."""
        return float(f"{self.price:.2g}")

    def collect_sources(self) -> None:
        """Play the campaigns of LOC and of the regression for the present settings, in the background."""
        key = self._source_key()
        if key in self._source_games:
            return

        def done(games: pd.DataFrame) -> None:
            self._source_games[key] = games
            self._show_sources()

        pair, target, price, success, rounds = key
        self.run_job(
            play_pair,
            self._pairs[pair],
            target,
            price,
            rounds,
            self._penalty_of_pair(),
            success,
            on_done=done,
            label="LOC collects",
        )

    def sources_frame(self) -> pd.DataFrame:
        """Return the campaigns that were played for the present settings, else the cheapest mixes by price."""
        games = self._source_games.get(self._source_key())
        if games is not None:
            return games
        mixes = self._cheapest(self.pair, self.pair_target)
        return pd.DataFrame({"price": PRICES, "n_1": mixes[:, 0], "n_2": mixes[:, 1]})

    def _source_key(self) -> tuple:
        return self.pair, self.pair_target, self.used_price, self.success, self.rounds

    def _penalty_of_pair(self) -> float:
        oracle = self.current_pair.oracle
        return float(PENALTY_SHARE * (oracle.sizes_1[-1] + oracle.sizes_2[-1]))

    def _cheapest_mixes(self, pair: str, target: float) -> np.ndarray:
        return self._pairs[pair].cheapest(target, PRICES)

    # What is drawn

    def _fit_pair(self) -> None:
        """Give the slider of targets the range that the shown pair can reach."""
        if self._page_pair == self.pair:
            return
        pair = self.current_pair
        low, high = np.ceil(4 * pair.scores.max() + 1) / 4, np.floor(4 * pair.oracle.scores.max()) / 4
        inside = low <= self.pair_target <= high
        with self.hold():
            self.set_range("pair_target", low, high)
            if not inside:
                self.pair_target = float(np.round(2 * (low + high)) / 4)
        self._page_pair = self.pair

    def _redraw_sources(self, changed: frozenset[str]) -> None:
        self._fit_pair()
        if changed & {"pair", "pair_target", "price", "success", "rounds"}:
            self._show_sources()

    def _show_sources(self) -> None:
        copy_into(self._map, self._draw_map())
        copy_into(self._switch, self._draw_switch())
        self._source_text.value = self._source_words()

    def _draw_map(self) -> go.Figure:
        pair = self.current_pair
        law = pair.law(self.pair_target, self.used_price, self.success)
        ends = np.array([pair.oracle.sizes_1[-1], pair.oracle.sizes_2[-1]])
        axes = tuple(np.linspace(owned, end, _CELLS) for owned, end in zip(pair.present, ends, strict=True))
        mixed = isinstance(law, MixtureLaw)
        shown = draw.SourceMap(
            sizes=(pair.oracle.sizes_1, pair.oracle.sizes_2),
            scores=pair.oracle.scores,
            start=pair.start,
            target=self.pair_target,
            price=self.used_price,
            optimum=pair.oracle.required(self.pair_target, [1.0, self.used_price], pair.present),
            answer=pair.answer(self.pair_target, self.used_price),
            draws=law.requirements,
            chance_at=axes,
            chance=1 - law.survival(np.stack(np.meshgrid(*axes, indexing="ij"), -1)),
            means=law.means if mixed else np.empty((0, 2)),
            spreads=law.spreads if mixed else np.empty((0, 2)),
            window=np.minimum(1.04 * ends, 2.2 * self._cheapest(self.pair, self.pair_target).max(0)),
            path=self._path(),
        )
        title = f"{NAMES[self.pair]}: {self.pair_target:g} % when a {pair.sources[1]} sample costs {self.used_price:g}"
        return draw.map_figure(shown, title, pair.contents)

    def _path(self) -> np.ndarray:
        games = self._source_games.get(self._source_key())
        if games is None:
            return np.empty((0, 2))
        return games.loc[games["player"] == "LOC", ["n_1", "n_2"]].to_numpy()

    def _draw_switch(self) -> go.Figure:
        pair, mixes = self.current_pair, self._cheapest(self.pair, self.pair_target)
        return draw.switch_figure(PRICES, mixes, pair.present, self.used_price, pair.contents)

    # What is said

    def _source_words(self) -> str:
        pair, price = self.current_pair, self.used_price
        mix = pair.oracle.required(self.pair_target, [1.0, price], pair.present) - pair.present
        first, second = pair.present
        one, two = pair.sources
        lines = [
            f"You own {first:,.0f} {one} and {second:,.0f} {two} samples, which score {pair.scores[-1]:.1f} %. For "
            f"{self.pair_target:g} % the cheapest mix buys <b>{mix[0]:,.0f} {one} and {mix[1]:,.0f} {two}</b> samples and costs "
            f"{mix @ [1.0, price]:,.0f} (one {one} sample costs 1)."
        ]
        games = self._source_games.get(self._source_key())
        if games is None:
            lines.append(
                "The map answers at once, with "
                f"{pair.n_boot} resamples; LOC's orders take one to three seconds: press <i>Let LOC collect</i>. "
                f"At most {self.rounds} order(s); missing the target costs {self._penalty_of_pair():,.0f}."
            )
        else:
            lines += [_ended(player, game, pair.sources) for player, game in games.groupby("player", sort=False)]
        return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)


def _ended(player: str, game: pd.DataFrame, sources: tuple[str, str]) -> str:
    last = game.iloc[-1]
    orders = f"{last['round']:.0f} order{'' if last['round'] == 1 else 's'}"
    bought = last[["n_1", "n_2"]] - game.iloc[0][["n_1", "n_2"]]
    ended = {"met": "met the target", "missed": "missed the target", "give up": "gave up"}[last["status"]]
    more = (
        f", {100 * (last['paid'] / last['optimum'] - 1):+.0f} % against the cheapest" if last["status"] == "met" else ""
    )
    return (
        f"<b>{player}</b> {ended} after {orders}: {bought['n_1']:,.0f} {sources[0]} and {bought['n_2']:,.0f} {sources[1]} samples "
        f"for {last['paid']:,.0f}{more}."
    )
