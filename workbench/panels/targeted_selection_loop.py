"""The view of notebook 03 that closes the loop: buy labels, train the detector, look, and buy again."""

from __future__ import annotations

from collections.abc import Iterator

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.results import load_results
from workbench.experiments.selection_campaign import Campaign
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.targeted_selection_buying import Table
from workbench.experiments.targeted_selection_config import BUYERS, LoopConfig
from workbench.experiments.targeted_selection_loop import make_table, play
from workbench.figures import targeted_selection_loop as draw
from workbench.figures.targeted_selection import words
from workbench.figures.targeted_selection_thumbnails import Thumbnail, wall_figure
from workbench.figures.theme import PURPLE
from workbench.figures.updates import copy_into
from workbench.panels.run import table_html
from workbench.panels.thumbnails import Thumbnails
from workbench.training import CancelToken, Progress

LOOP = "7 Budget loop"
TABLES = {"loop": "targeted_selection_loop", "frames": "targeted_selection_frames"}
"""Stored campaigns on a pool of single scenes, and on one that is like a video: five frames of each street."""

LIVE = LoopConfig(pool=PoolConfig(scenes=200), labelled=40, validation=60, test=120)
"""What a person plays: smaller than what is measured, so that it begins within a minute."""

FIRST_SEED = 50
"""Of the scenes that a person plays with; those of the stored campaigns have smaller ones."""

COLUMNS = 7
QUERY_FRAME = "the query"


class LoopViews(traitlets.HasTraits):
    """Campaigns of labels; mixed into the panel of notebook 03, which gives ``backbone``.

    ``loop_category`` is the class that is played for, ``loop_method`` chooses what :meth:`buy_labels` buys next. Of the stored
    campaigns those of the class ``loop_of`` (empty for all) in the pool ``loop_pool`` (``"loop"`` of single scenes, ``"frames"`` of
    a video) by the methods ``loop_methods`` are shown; with ``loop_against`` at ``"mine"``, instead, those that
    :meth:`let_others_play` has played on the same scenes.
    """

    loop_category = traitlets.Unicode("bike")
    loop_method = traitlets.Unicode("DTM")
    loop_of = traitlets.Unicode("")
    loop_pool = traitlets.Unicode("loop")
    loop_methods = traitlets.Tuple(draw.METHODS)
    loop_against = traitlets.Unicode("stored")
    loop_seed = traitlets.Int(FIRST_SEED)
    loop_campaign = traitlets.Instance(Campaign, allow_none=True)
    loop_rivals = traitlets.Instance(pd.DataFrame, allow_none=True)

    def build_loop_view(self) -> None:
        """Make the controls, the two figures and the tab."""
        self._loop_stored = {name: load_results(table) for name, table in TABLES.items()}
        self._loop_table: Table | None = None
        self._loop_thumbnails = Thumbnails(self._loop_image, self._show_purchase)
        classes = {words(name): name for name in self._loop_stored["loop"]["category"].unique()}
        controls = [
            self.dropdown("loop_of", {"all classes": ""} | classes, "Stored campaigns of", place=False),
            self.choice("loop_pool", {"single scenes": "loop", "a video": "frames"}, "In a pool of", place=False,
                        tooltip="In a video, the frames of one street show one object again and again"),
            self.several("loop_methods", list(draw.METHODS), "Methods", place=False),
            self.choice("loop_against", {"stored": "stored", "on my scenes": "mine"}, "Campaigns shown", place=False,
                        tooltip="Means of what was measured, or the methods on the scenes of your own campaign"),
            self.dropdown("loop_category", classes, "My detector looks for", place=False),
            self.dropdown("loop_method", list(BUYERS), "What is bought is chosen by", place=False),
            self.button(f"Buy {LIVE.budget} labels", self.buy_labels, primary=True, place=False,
                        tooltip="The first purchase draws and embeds the scenes, about a minute; then a second or two"),
            self.button("Let the others play", self.let_others_play, place=False,
                        tooltip="Every method, on the same scenes, for three rounds"),
            self.button("New scenes", self.new_campaign, place=False, tooltip="Forget the campaign, and draw other scenes"),
        ]  # fmt: skip
        self._loop_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._loop_live = [self.add_figure(self._draw_loop()), self.add_figure(self._draw_purchase())]
        self._loop_wall = widgets.VBox(self._loop_live[1:])
        body = widgets.VBox([self._loop_live[0], self._loop_wall])
        self.add_view(LOOP, self._loop_live, self._redraw_loop, [*controls, self._loop_text], body)

    # What a person does

    def buy_labels(self) -> None:
        """Buy one round of labels in the background; the first time, draw the scenes and train the first detector before it."""
        campaign, method = self._campaign_of_class(), self.loop_method

        def work(progress: Progress, cancel: CancelToken) -> Campaign:
            playing = campaign or self._begin(progress, cancel)
            progress(0, 1, f"{method} chooses, and the detector learns")
            playing.buy(method)
            return playing

        self.run_job(work, on_done=self._take_campaign, label=f"Buying {LIVE.budget} labels")

    def let_others_play(self) -> None:
        """Play every method on the scenes of the campaign, in the background."""
        campaign = self._campaign_of_class()

        def work(progress: Progress, cancel: CancelToken) -> Iterator[tuple[Campaign, pd.DataFrame]]:
            playing = campaign or self._begin(progress, cancel)
            rows: list[dict[str, object]] = []
            for done, method in enumerate(BUYERS):
                if cancel.cancelled:
                    return
                progress(done, len(BUYERS), method)
                rows += play(playing.config, playing.table, playing.category, method)
                yield playing, pd.DataFrame(rows)

        def arrived(result: tuple[Campaign, pd.DataFrame]) -> None:
            with self.hold():
                self.loop_campaign, self.loop_rivals = result
                self.loop_against = "mine"

        self.run_job(work, on_result=arrived, label="The methods play")

    def new_campaign(self) -> None:
        """Forget the campaign; the next purchase draws other scenes."""
        with self.hold():
            self.update(loop_seed=self.loop_seed + 1, loop_against="stored")
            self.loop_campaign = self.loop_rivals = None

    def loop_frame(self) -> pd.DataFrame:
        """Return the rounds of all campaigns that are shown, and of the person's own."""
        shown = self._loop_shown()
        if self.loop_campaign is None:
            return shown
        yours = self.loop_campaign.frame().assign(method=draw.YOURS, category=self.loop_campaign.category)
        return pd.concat([shown, yours.assign(seed=self.loop_campaign.table.seed)], ignore_index=True)

    def _begin(self, progress: Progress, cancel: CancelToken) -> Campaign:
        """Start a campaign: on the scenes of the last one where there are any."""
        if self._loop_table is None or self._loop_table.seed != self.loop_seed:
            old = self.loop_campaign  # a panel whose cell runs again has only that
            fits = old is not None and old.table.seed == self.loop_seed
            self._loop_table = old.table if fits else make_table(LIVE, self.loop_seed, self.backbone, progress, cancel)
        progress(0, 1, "the first detector learns")
        return Campaign(LIVE, self._loop_table, self.loop_category)

    def _campaign_of_class(self) -> Campaign | None:
        campaign = self.loop_campaign
        return campaign if campaign is not None and campaign.category == self.loop_category else None

    def _take_campaign(self, campaign: Campaign) -> None:
        if campaign is not self.loop_campaign:
            with self.hold():
                self.loop_campaign, self.loop_rivals, self.loop_against = campaign, None, "stored"
        self._show_loop()

    # What is drawn

    def _loop_shown(self) -> pd.DataFrame:
        if self.loop_against == "mine" and self.loop_rivals is not None:
            return self.loop_rivals
        stored = self._loop_stored[self.loop_pool]
        return stored[stored["category"] == self.loop_of] if self.loop_of else stored

    def _redraw_loop(self, changed: frozenset[str]) -> None:
        if any(name.startswith("loop_") for name in changed - {"loop_method", "loop_category"}):
            self._show_loop()

    def _show_loop(self) -> None:
        with self._loop_live[0].batch_update():
            copy_into(self._loop_live[0], self._draw_loop())
        self._show_purchase()
        self._loop_text.value = self._loop_words()

    def _show_purchase(self) -> None:
        campaign = self.loop_campaign
        self._loop_wall.layout.display = "none" if campaign is None or len(campaign.rounds) < 2 else None
        with self._loop_live[1].batch_update():
            copy_into(self._loop_live[1], self._draw_purchase())

    def _draw_loop(self) -> go.Figure:
        shown, campaign = self._loop_shown(), self.loop_campaign
        mine = self.loop_against == "mine" and self.loop_rivals is not None
        if mine:
            whose = f"{words(campaign.category)}, the same scenes"
        else:
            count = len(shown[["category", "seed"]].drop_duplicates())
            whose = f"{words(self.loop_of) or 'all classes'}, mean of {count} campaigns"
        counted = "sequences" if not mine and self.loop_pool == "frames" else "positives"
        yours = None if campaign is None else campaign.frame()
        return draw.loop_figure(shown, self.loop_methods, yours, f"Buying labels: {whose}", counted)

    def _draw_purchase(self) -> go.Figure:
        looks = [{"name": "the object, as labelled", "color": PURPLE, "dash": "solid"}]
        places = 1 + LIVE.budget
        campaign = self.loop_campaign
        if campaign is None or len(campaign.rounds) < 2:
            return wall_figure([], "Nothing was bought yet", looks, columns=COLUMNS, places=places, other=QUERY_FRAME)
        table, last = campaign.table, campaign.rounds[-1]
        query = campaign.rounds[-2].failure
        entries = [table.held.entries[query.scene], *(table.pool.entries[index] for index in last.bought)]
        boxes = [[query.box], *(_labels(campaign, index) for index in last.bought)]
        hits = [None, *campaign.truth[list(last.bought)].tolist()]
        said = ["missed: the query", *("✔" if hit else "✖" for hit in hits[1:])]
        sources = self._loop_thumbnails.of([entry.id for entry in entries])
        size = (LIVE.pool.street.width, LIVE.pool.street.height)
        wall = [
            Thumbnail(source, size, box, text, hit)
            for source, box, text, hit in zip(sources, boxes, said, hits, strict=True)
        ]
        title = (
            f"Bought last, by {last.method}: {sum(hits[1:])} of {len(last.bought)} show a {words(campaign.category)}"
        )
        return wall_figure(wall, title, looks, columns=COLUMNS, places=places, other=QUERY_FRAME)

    def _loop_image(self, name: str) -> np.ndarray:
        table = self.loop_campaign.table
        entries = {entry.id: entry for entry in (*table.pool.entries, *table.held.entries)}
        return entries[name].load().image

    # What is said

    def _loop_words(self) -> str:
        lines = [
            "A linear detector on frozen features starts with 40 labelled scenes, of which one shows the object. Its worst failure "
            "becomes the query, 20 scenes are bought, it learns, and fails elsewhere. <b>GeM</b> compares whole pictures, "
            "<b>DTM</b> matches the object, <b>diversity</b> avoids what repeats, the <b>oracle</b> knows the labels."
        ]
        campaign = self.loop_campaign
        if campaign is not None and len(campaign.rounds) > 1:
            before, last = campaign.rounds[-2:]
            hits = int(campaign.truth[list(last.bought)].sum())
            lines.append(
                f"<b>Your round {len(campaign.rounds) - 1}</b> ({words(campaign.category)}, by {last.method}): {hits} of "
                f"{len(last.bought)} labels show the object, {campaign.truth.mean():.0%} would by chance; average precision "
                f"{before.ap:.2f} → {last.ap:.2f}."
            )
            if self._loop_shown() is not self.loop_rivals:
                lines.append("The curves are means over other scenes: <i>Let the others play</i> on yours to compare.")
        body = "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)
        return body + table_html(end_table(self._loop_shown()))


def end_table(campaigns: pd.DataFrame) -> pd.DataFrame:
    """Return a row a method: mean average precision before and after, and positives per label, of all its campaigns."""
    rows = []
    for method in draw.METHODS:
        part = campaigns[campaigns["method"] == method]
        if part.empty:
            continue
        first, last = (part[part["round"] == number] for number in (part["round"].min(), part["round"].max()))
        rows.append(
            {
                "method": method,
                "AP before": first["ap"].mean(),
                f"AP after {last['bought'].max():.0f} labels": last["ap"].mean(),
                "labels with the object (% of those bought)": 100 * (last["positives"] / last["bought"]).mean(),
            }
        )
    return pd.DataFrame(rows)


def _labels(campaign: Campaign, index: int) -> list[tuple[float, ...]]:
    """Return the box of the object in a scene of the pool, at most one."""
    objects = campaign.table.pool.objects
    found = objects[
        (objects["image_id"] == campaign.table.pool.image_ids[index]) & (objects["category"] == campaign.category)
    ]
    return [tuple(row) for row in found[["x0", "y0", "x1", "y1"]].head(1).itertuples(index=False)]
