"""The view of notebook 03 that looks for two different objects in one picture."""

from __future__ import annotations

from dataclasses import replace

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.results import load_results
from workbench.experiments.selection_pairs import PairsConfig, PairScores, PairTable, measure_pairs
from workbench.figures import targeted_selection_and as draw
from workbench.figures.targeted_selection_thumbnails import Thumbnail, wall_figure
from workbench.figures.updates import copy_into
from workbench.panels.thumbnails import Thumbnails

AND = "6 AND builder"
TABLE = "targeted_selection_pairs"
SHOWN = 8
LOOKED_FOR = "queries of "
"""Begins the name under which the picture of a class's queries is kept."""


class AndViews(traitlets.HasTraits):
    """Two objects that must co-occur; mixed into the panel of notebook 03.

    ``and_first`` and ``and_second`` are the classes, ``and_combination`` makes one score of their z-scores (``"min"``, ``"mean"``,
    ``"max"``), ``and_budget`` is the number of scenes bought, ``and_queries`` how many query objects each class has.
    :meth:`mine_pairs` replaces the stored scenes by new ones, mined now.
    """

    and_first = traitlets.Unicode("bike")
    and_second = traitlets.Unicode("traffic_light")
    and_combination = traitlets.Unicode("min")
    and_budget = traitlets.Int(20)
    and_queries = traitlets.Int(1)

    def build_and_view(self) -> None:
        """Make the controls, the three figures and the tab."""
        stored = load_results(TABLE)
        self._pairs_config = PairsConfig(**stored.attrs["record"]["config"])
        self._pairs_when = f"measured on {stored.attrs['record']['date']}"
        self._pairs = PairTable(stored)
        self._and_seen = False  # no picture is drawn before the view is looked at
        self._and_thumbnails = Thumbnails(self._and_picture, self._show_wall)
        classes = {draw.words(name): name for name in self._pairs.categories}
        controls = [
            self.dropdown("and_first", classes, "Find scenes with a", place=False),
            self.dropdown("and_second", classes, "and with a", place=False),
            self.choice("and_combination", {"min": "min", "mean": "mean", "max": "max"}, "Combine by", place=False),
            self.slider("and_budget", 5, 100, 5, "Scenes to buy", "count", place=False),
            self.slider("and_queries", 1, self._pairs.queries, 1, "Queries of each class", "count", place=False),
            self.button("Mine new scenes (about 30 s)", self.mine_pairs, place=False,
                        tooltip="Draw 300 other scenes, and look for other objects in them"),
        ]  # fmt: skip
        self._and_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._and_live = [self.add_figure(figure) for figure in self._draw_and()]
        self.add_view(AND, self._and_live, self._redraw_and, [*controls, self._and_text])

    @property
    def pair_scores(self) -> PairScores:
        """The z-scores of the two classes over the scenes."""
        return self._pairs.pair(self.and_first, self.and_second, self.and_queries)

    def mine_pairs(self) -> None:
        """Draw the next scenes, and mine them for other objects of the same classes, in the background."""
        config = self._pairs_config
        config = replace(config, first_seed=config.first_seed + config.scenes, query_seed=config.query_seed + 1)

        def done(table: pd.DataFrame) -> None:
            self._pairs_config, self._pairs, self._pairs_when = config, PairTable(table), "mined just now"
            self._and_thumbnails.forget()
            self._show_and()

        self.run_job(measure_pairs, config, on_done=done, label="Mining pairs")

    def and_frame(self) -> pd.DataFrame:
        """Return the scenes from the best to the worst, with both z-scores and the truth."""
        pair, order = self.pair_scores, self.pair_scores.order(self.and_combination)
        columns = {
            "image_id": np.array(pair.image_ids)[order],
            self.and_combination: pair.combined(self.and_combination)[order],
        }
        for index, name in enumerate(pair.categories):
            columns |= {f"z {name}": pair.z[order, index], f"shows {name}": pair.shows[order, index]}
        return pd.DataFrame(columns)

    # What is drawn

    def _redraw_and(self, changed: frozenset[str]) -> None:
        self._and_seen = True
        if self.and_first == self.and_second:  # the other list moves on, so that there are always two
            other = "and_second" if "and_first" in changed else "and_first"
            setattr(self, other, next(name for name in self._pairs.categories if name != self.and_first))
            return
        if changed & {"and_first", "and_second", "and_combination", "and_budget", "and_queries"}:
            self._show_and()

    def _show_and(self) -> None:
        for live, drawn in zip(self._and_live, self._draw_and(), strict=True):
            copy_into(live, drawn)
        self._and_text.value = self._and_words()

    def _show_wall(self) -> None:
        with self._and_live[2].batch_update():
            copy_into(self._and_live[2], self._draw_wall(self.pair_scores))

    def _draw_and(self) -> tuple[go.Figure, go.Figure, go.Figure]:
        pair, both = self.pair_scores, int(self.pair_scores.positives.sum())
        names = pair.categories
        scatter = draw.scatter_figure(pair.z, pair.shows, names, self.and_combination, self.and_budget, pair.image_ids)
        precisions = pair.average_precisions()
        bars = draw.precision_figure(precisions, names, self.and_combination, both, len(pair.image_ids))
        return scatter, bars, self._draw_wall(pair)

    def _draw_wall(self, pair: PairScores) -> go.Figure:
        best = pair.order(self.and_combination)[:SHOWN]
        asked = [f"{LOOKED_FOR}{name} {self.and_queries}" for name in pair.categories]
        names = [*asked, *(pair.image_ids[index] for index in best)]
        sources = self._and_thumbnails.of(names) if self._and_seen else [""] * len(names)
        street = self._pairs_config.pool.street
        wall = [
            Thumbnail(source, (1, 1), (), f"look for: {draw.words(name)}", None)
            for name, source in zip(pair.categories, sources, strict=False)
        ]
        for rank, (index, source) in enumerate(zip(best, sources[2:], strict=True), start=1):
            said, hit = f"{rank}  {_truth(pair, index)}", bool(pair.positives[index])
            wall.append(Thumbnail(source, (street.width, street.height), pair.boxes[index], said, hit))
        looks = [
            {"name": f"match of the {draw.words(name)}", "color": mark["color"], "dash": dash}
            for name, mark, dash in zip(pair.categories, draw.PAIR_MARKS[1:3], ("solid", "dash"), strict=True)
        ]
        title = f"The best {len(best)} by {self.and_combination}: {int(pair.positives[best].sum())} show both"
        return wall_figure(wall, title, looks, places=2 + SHOWN, columns=5, other="the queries")

    def _and_picture(self, name: str) -> np.ndarray:
        """Return a scene of the pool, or the cut-outs of a class's queries side by side."""
        if not name.startswith(LOOKED_FOR):
            return self._pairs_config.scene(name).image
        category, count = name.removeprefix(LOOKED_FOR).split()
        return np.concatenate(self._pairs_config.looked_for[category][: int(count)], 1)

    def _and_words(self) -> str:
        means = self._pairs.summary(self.and_queries)
        pairs, count = len(means), len(self._pairs.image_ids)
        alone = means[["first alone", "second alone"]].to_numpy().mean()
        lines = [
            f"{count} scenes, {self._pairs_when}. Each point is a scene; the two templates were looked for one at a time. A scene "
            "that shows only one of the two is good on one axis: <b>min</b> asks for both, <b>mean</b> lets one make up for the "
            "other, <b>max</b> is content with either.",
            f"Mean average precision over all {pairs} pairs of classes: min {means['min'].mean():.2f}, mean "
            f"{means['mean'].mean():.2f}, max {means['max'].mean():.2f}, one of the two alone {alone:.2f}; chance "
            f"{means['both'].mean() / count:.2f}.",
        ]
        return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)


def _truth(pair: PairScores, index: int) -> str:
    first, second = (draw.words(name) for name in pair.categories)
    return {
        (True, True): "✔ both",
        (True, False): f"✖ {first} alone",
        (False, True): f"✖ {second} alone",
        (False, False): "✖ neither",
    }[tuple(bool(shown) for shown in pair.shows[index])]
