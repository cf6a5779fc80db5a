"""The panel of notebook 03 without a browser: attributes in, rankings and drawn numbers out."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace

import numpy as np
import pytest
from ipywidgets.widgets.widget import _remove_buffers
from plotly import callbacks

from workbench.datasets import EmojiStreetConfig
from workbench.experiments.results import load_results
from workbench.experiments.selection_cache import open_pool
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.selection_scan import MiningSettings
from workbench.experiments.selection_session import MiningSession
from workbench.experiments.selection_sweeps import sweep
from workbench.panels import targeted_selection
from workbench.panels.memory import forget
from workbench.panels.targeted_selection import VIEWS, TargetedSelectionPanel, edges
from workbench.panels.targeted_selection_context import CONTEXT, PADDINGS, RANKINGS, THRESHOLDS
from workbench.panels.targeted_selection_query import QUERY
from workbench.panels.targeted_selection_size import SIZE
from workbench.panels.targeted_selection_theatre import THEATRE
from workbench.panels.targeted_selection_wall import WALL
from workbench.retrieval import EfficientNetLite0Backbone

SMALL = PoolConfig(scenes=20, queries=2, street=EmojiStreetConfig(prevalence=0.3))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        backbone = EfficientNetLite0Backbone(device="cpu")
        return TargetedSelectionPanel(open_pool(SMALL, backbone), backbone)


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def test_another_query_brings_its_box_and_forgets_the_clicks(panel):
    panel.clicks = (("more like this", panel.session.hits(1)[0].image_id, (10, 10, 40, 40)),)
    assert len(panel.session.positives) == 2
    panel.query = "dog 2"
    box = panel.queries["dog 2"].target.box
    assert (panel.columns[0], panel.rows[0], panel.columns[1], panel.rows[1]) == tuple(map(round, box))
    assert (panel.session.query.category, panel.clicks, panel.session.negatives) == ("dog", (), ())


def test_no_two_views_share_a_name():
    """They are mixed into one class, where the second of two would be lost."""
    views = [base for base in TargetedSelectionPanel.__mro__ if base.__name__.endswith("Views")]
    assert len(views) >= 5
    for first, second in itertools.combinations(views, 2):
        shared = {name for name in set(vars(first)) & set(vars(second)) if callable(getattr(first, name))}
        assert {name for name in shared if not name.startswith("__")} == set()


def test_settings_reach_the_session(panel):
    panel.update(strides="8", padding=8, threshold=0.25)
    settings = panel.session.settings
    assert (settings.strides, settings.padding, settings.threshold) == ((8,), 8, 0.25)
    template = panel.session.templates(panel.session.query)[0]
    panel.padding = 0
    assert template.weights.numel() > panel.session.templates(panel.session.query)[0].weights.numel()


def test_export_is_the_ranked_pool(panel):
    table = panel.frame()
    assert table["image_id"].head(5).tolist() == [hit.image_id for hit in panel.session.hits(5)]


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_view_sends_to_the_page_is_json(panel, view):
    """Numbers that are none, of gaps in a heat map say, are no JSON: the kernel would warn below the panel."""
    panel.view = view
    panel.query = "dog 1"
    for figure in panel.shown_figures():
        state, _, _ = _remove_buffers(figure.get_state())
        json.dumps(state, allow_nan=False, default=str)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_draws_without_a_message(panel, view):
    panel.view = view
    panel.query = "dog 1"
    assert [message for message in panel.messages if message.level == "error"] == []
    assert all(len(figure.layout.title.text.split("<br>")[0]) <= 68 for figure in panel.shown_figures())


def test_wall_shows_the_best_hits_with_the_truth_by_frame_sign_and_word(panel):
    panel.view = WALL
    hits, tiles = panel.session.hits(12), panel.wall.state["tiles"]
    assert [tile["id"] for tile in tiles] == [hit.image_id for hit in hits]
    assert [tile["mark"] for tile in tiles] == ["good" if hit.relevant else "bad" for hit in hits]
    assert [tile["words"] for tile in tiles] == ["bike" if hit.relevant else "no bike" for hit in hits]
    assert tiles[0]["box"] == list(hits[0].box)
    assert set(panel.wall.pictures) == {*(hit.image_id for hit in hits), panel.session.query.image_id}
    panel.truth_shown = False
    assert {(tile["mark"], tile["words"]) for tile in panel.wall.state["tiles"]} == {("unknown", "")}


def test_clicks_on_the_wall_change_the_ranking_and_its_numbers(panel):
    panel.view = WALL
    first, second = (tile["id"] for tile in panel.wall.state["tiles"][:2])
    panel.wall.press("more like this", first)
    panel.wall.press("not this", second)
    assert [click[:2] for click in panel.clicks] == [("more like this", first), ("not this", second)]
    assert [one["kind"] for one in panel.wall.state["examples"]] == ["query", "more", "not"]
    shown = [tile["id"] for tile in panel.wall.state["tiles"]]
    assert {first, second} & set(shown) == set()
    assert shown == [hit.image_id for hit in panel.session.hits(12)]
    history = panel._history_live.data[0]
    assert list(history.y) == panel.session.history()
    assert history.marker.symbol == ("circle", "cross", "diamond-wide-open")
    assert f"AP {panel.session.average_precision():.2f} by DTM" in panel.wall.state["said"]
    panel.wall.press("take back", first)
    assert [click[1] for click in panel.clicks] == [second]
    panel.wall.press("undo")
    assert panel.clicks == ()


def test_recall_beside_the_wall_ends_at_all_and_passes_through_the_hits_on_the_wall(panel):
    panel.view = WALL
    right = sum(hit.relevant for hit in panel.session.hits(12))
    recall = panel._recall_live.data[0]
    assert recall.y[-1] == 100
    assert recall.y[11] == pytest.approx(100 * right / panel.session.truth().sum())


def test_gem_has_a_wall_of_its_own_without_boxes(panel):
    panel.update(view=WALL, ranked_by="GeM")
    tiles = panel.wall.state["tiles"]
    assert [tile["id"] for tile in tiles] == [hit.image_id for hit in panel.session.hits(12, "GeM")]
    assert {tile["box"] for tile in tiles} == {None}
    panel.more_like(tiles[0]["id"])
    assert len(panel.clicks[0][2]) == 4


def test_a_click_that_the_kernel_refuses_gives_the_tile_back(panel):
    panel.view = WALL
    sent = panel.wall.state
    panel.wall.press("not this", "nowhere")
    assert "no picture 'nowhere'" in panel.messages[-1].text
    assert panel.wall.state != sent


def test_a_click_is_answered_in_a_tenth_of_a_second_of_the_processor(panel):
    panel.view = WALL
    times = []
    for _ in range(3):
        started = time.thread_time()
        panel.wall.press("more like this", panel.wall.state["tiles"][0]["id"])
        times.append(1000 * (time.thread_time() - started))
    print(f"click: {min(times):.0f} ms")
    assert min(times) < 100


def test_cells_of_view_1_are_those_of_the_template(panel):
    panel.view = QUERY
    template = panel.session.template(panel.session.query, 8)
    table = panel.frame()
    assert table["kept"].sum() == int((template.weights > 0).sum())
    x0, y0, x1, y1 = panel.session.query.box
    assert 64 * table["coverage"].sum() == pytest.approx((x1 - x0) * (y1 - y0))
    outlines = panel._query_live[0].data[2]
    assert len(outlines.x) == 6 * table["kept"].sum()
    panel.shown_stride = 16
    assert panel.frame()["stride"].unique().tolist() == [16]


def test_a_drawn_rectangle_becomes_the_box_and_its_object_the_class(panel):
    panel.view = QUERY
    scene = panel.queries[panel.query].scene
    other = next(one for one in scene.annotations if one.category != "bike" and one.visible > 0.9)
    x0, y0, x1, y1 = other.box
    shape = {"type": "rect", "x0": x1, "y0": y0 + 0.2, "x1": x0, "y1": y1}
    shapes = [panel._query_live[0].layout.shapes[0].to_plotly_json(), shape]
    panel._query_live[0]._js2py_relayout = {"relayout_data": {"shapes": shapes}, "source_view_id": "page"}
    assert (panel.columns, panel.rows) == ((round(x0), round(x1)), (round(y0 + 0.2), round(y1)))
    assert panel.session.query.category == other.category
    assert len(panel._query_live[0].layout.to_plotly_json()["shapes"]) == 1


def test_a_speck_is_no_box(panel):
    panel.view = QUERY
    before = panel.columns, panel.rows
    shape = {"type": "rect", "x0": 10, "y0": 10, "x1": 11, "y1": 90}
    panel._query_live[0]._js2py_relayout = {"relayout_data": {"shapes": [shape]}, "source_view_id": "page"}
    assert "at least 2 pixels" in panel.messages[-1].text
    assert (panel.columns, panel.rows) == before


def test_a_box_around_nothing_has_no_truth(panel):
    panel.update(view=QUERY, columns=(2.0, 12.0), rows=(2.0, 12.0))
    assert panel.session.query.category == ""
    panel.view = WALL
    assert {tile["mark"] for tile in panel.wall.state["tiles"]} == {"unknown"}
    assert panel.wall.state["said"].startswith("Nobody knows")
    panel.view = THEATRE


def test_score_map_peaks_where_the_match_is_and_its_cosines_average_to_the_score(panel):
    panel.update(view=THEATRE, rank=2)
    match = panel._match_shown()
    assert panel._hit == panel.session.hits(2)[1]
    assert panel._score_at_cursor() == pytest.approx(np.nanmax(match.scores))
    for row, column in (match.cursor, (3, 7), (-1, 40)):
        panel.update(cursor_row=row, cursor_column=column)
        shown = panel._match_shown()
        mean = np.nansum(shown.cosines * shown.weights) / shown.weights.sum()
        assert mean == pytest.approx(panel._score_at_cursor(), abs=1e-5)
    assert "template's place" in panel._cosines_live.layout.title.text
    panel.to_best()
    assert (panel.cursor_row, panel.cursor_column) == match.cursor


def test_a_click_on_the_score_map_puts_the_middle_of_the_template_there(panel):
    panel.update(view=THEATRE, rank=1)
    th, tw = panel._shown_template.cells
    x, y = panel._theatre_live.data[1].x[20], panel._theatre_live.data[1].y[10]
    points = callbacks.Points(point_inds=[(10, 20)], xs=[x], ys=[y])
    panel._theatre_live.data[1]._dispatch_on_click(points, None)
    assert (panel.cursor_row, panel.cursor_column) == (10 - (th - 1), 20 - (tw - 1))
    assert panel._score_at_cursor() == pytest.approx(panel._theatre_live.data[1].z[10, 20], abs=1e-6)


def test_another_picture_brings_the_template_to_its_best_place(panel):
    panel.update(view=THEATRE, rank=1)
    panel.update(cursor_row=2, cursor_column=2)
    panel.rank = 3
    assert panel._score_at_cursor() == pytest.approx(np.nanmax(panel._scores))


def test_context_marks_the_setting_and_follows_the_padding(panel):
    panel.view = CONTEXT
    before = panel._seen_aps[panel._key(panel.session.settings)]
    assert before == panel.session.average_precision()
    panel.padding = 16
    star = next(trace for trace in panel._context_live.data if trace.name == "as it is set" and trace.xaxis == "x2")
    assert (star.x[0], star.y[0]) == (16.0, panel.session.average_precision())
    own = next(
        trace for trace in panel._context_live.data if trace.name.startswith("your query") and trace.xaxis == "x2"
    )
    assert dict(zip(own.x, own.y, strict=True)) == {0.0: before, 16.0: star.y[0]}
    stored = sweep(load_results(RANKINGS), "padding")
    line = next(
        trace for trace in panel._context_live.data if trace.name.startswith("measured") and trace.xaxis == "x2"
    )
    assert line.y.tolist() == stored[stored["stride"] == "8+16"]["ap"].tolist()


def test_sweep_of_the_query_measures_every_setting_once(panel):
    panel.view = CONTEXT
    panel.sweep_query()
    panel.wait(60)
    for name, count in (("x", 3), ("x2", len(PADDINGS)), ("x3", len(THRESHOLDS))):
        own = next(t for t in panel._context_live.data if t.name.startswith("your query") and t.xaxis == name)
        assert len(own.x) == count
    table = panel.frame()
    assert set(table["of"]) == {"mean query", "this query"}
    alone = MiningSession(panel.opened.pool, panel.backbone, panel.session.query, MiningSettings(padding=8.0))
    mine = table[(table["swept"] == "padding") & (table["x"] == 8.0) & (table["of"] == "this query")]
    assert mine["ap"].item() == alone.average_precision()


def test_size_view_draws_an_object_of_the_chosen_size(panel):
    panel.view = SIZE
    for chosen in (0.5, 4.0, 20.0):
        panel.object_size = chosen
        _, box, category = panel._shown_object()
        area = 100 * (box[2] - box[0]) * (box[3] - box[1]) / (512 * 320)
        assert 0.3 * chosen < area < 1.8 * chosen
        assert category == "bike"
        star = next(trace for trace in panel._size_live[0].data if trace.name == "the size you chose")
        assert star.x.tolist() == [chosen] * 2
    assert {"DTM", "GeM"} == set(panel.frame()["method"])
    panel.query = "dog 1"
    assert panel._size_live[1].layout.title.text.startswith("A dog")


def test_another_pool_keeps_the_query_and_forgets_the_clicks(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    backbone = EfficientNetLite0Backbone(device="cpu")
    panel = TargetedSelectionPanel(open_pool(SMALL, backbone), backbone, query="dog 1", view=WALL)
    assert panel.session.query.category == "dog"
    assert (panel.columns, panel.rows) == edges(panel.queries["dog 1"].target.box)
    panel.wall.press("not this", panel.wall.state["tiles"][0]["id"])
    monkeypatch.setattr(targeted_selection, "POOL", replace(SMALL, first_seed=500))
    panel.set_options("scenes", [6])
    panel.embed_pool()
    panel.wait(60)
    assert panel.session.pool.image_ids == tuple(f"street-{seed:06d}" for seed in range(500, 506))
    assert (panel.query, panel.clicks) == ("dog 1", ())
    assert [tile["id"][:10] for tile in panel.wall.state["tiles"]] == ["street-000"] * 6
    assert "6 scenes" in panel.messages[-1].text


def test_state_survives_when_the_cell_runs_again(shared):
    forget()
    panel = TargetedSelectionPanel(shared.opened, shared.backbone, key="again")
    panel.update(query="barrier 2", columns=(100.0, 140.0), padding=2)
    panel.wall.press("more like this", panel.session.hits(1)[0].image_id)
    clicks = panel.clicks
    again = TargetedSelectionPanel(shared.opened, shared.backbone, key="again")
    assert (again.query, again.columns, again.padding, again.clicks) == ("barrier 2", (100.0, 140.0), 2, clicks)
    assert [click.image_id for click in again.session.clicks] == [click[1] for click in clicks]
    forget()
