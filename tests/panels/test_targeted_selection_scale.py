"""The scale page: what the sliders say is what the formula gives, and measured points lie on the lines they were measured for."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.experiments.targeted_selection_scale import capacity
from workbench.panels.base import Panel
from workbench.panels.targeted_selection_scale import KEPT, MY_OWN, ScaleViews


class ScalePanel(ScaleViews, Panel):
    """Nothing but the view."""

    def build(self):
        self.build_scale_view()


@pytest.fixture(scope="module")
def shared():
    return ScalePanel()


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def _trace(panel, name, figure=0):
    return next(trace for trace in panel._scale_live[figure].data if trace.name and trace.name.startswith(name))


def test_the_rows_of_section_5_come_out_of_the_formula(panel):
    table = panel.scale_frame().set_index("kept of a picture")
    assert list(table.index) == list(KEPT)
    assert table["storage (GB)"].round().tolist() == [1005, 1436, 431, 287, 6]
    np.testing.assert_allclose(table["kB per picture"], [457, 653, 196, 131, 2.56], rtol=0.01)
    panel.scale_machines = 20
    assert panel.scale_frame().set_index("kept of a picture")["reading (s)"].iloc[2] == pytest.approx(7.2, abs=0.1)


def test_the_lines_pass_through_the_cost_of_the_chosen_pool(panel):
    panel.update(scale_images=1e5, scale_disk=0.5, scale_cores=2, scale_match=1000.0, scale_price=50.0)
    cost = panel.cost
    assert cost == capacity(
        100_000,
        *KEPT[panel.scale_kept],
        0.5,
        1,
        50.0,
        cores=2,
        match_seconds_per_image=1e-9 * KEPT[panel.scale_kept][0] * 1000.0,
        embed_seconds_per_image=0.1,
    )
    for name, seconds in (
        ("one pass", cost.scan_seconds),
        ("reading", cost.read_seconds),
        ("matching", cost.match_seconds),
    ):
        line = _trace(panel, name)
        assert np.interp(1e5, line.x, line.y) == pytest.approx(seconds)
    assert panel._scale_live[0].layout.shapes[0].x0 == 1e5
    assert "100 k pictures" in panel._scale_live[0].layout.title.text


def test_matching_takes_its_time_in_proportion_to_the_cells(panel):
    panel.update(scale_images=1e5, scale_match=1000.0, scale_cells=2000, scale_machines=1, scale_cores=4)
    twice = panel.cost.match_seconds
    assert twice == pytest.approx(1e5 * 2e-3 / 4)
    panel.scale_cells = 1000
    assert panel.cost.match_seconds == pytest.approx(twice / 2)


def test_a_way_to_keep_sets_the_sliders_and_a_moved_slider_is_my_own(panel):
    name = next(iter(KEPT))
    panel.scale_kept = name
    assert (panel.scale_cells, panel.scale_channels, panel.scale_bytes) == KEPT[name]
    panel.scale_channels = 64
    assert panel.scale_kept == MY_OWN
    assert panel.scale_frame()["kept of a picture"].iloc[-1] == MY_OWN
    panel.scale_kept = name
    assert panel.scale_channels == KEPT[name][1]


def test_a_pool_that_the_page_has_rounded_is_the_papers(panel):
    panel.scale_images = 10**6.34
    assert panel.cost.storage_bytes == 2_200_000 * 8160 * 24
    panel.scale_images = 10**6.33
    assert panel.cost.storage_bytes == 2_140_000 * 8160 * 24


def test_the_longer_of_reading_and_matching_binds_the_pass(panel):
    panel.update(scale_match=1.0, scale_disk=0.1)
    assert panel.cost.bound_by == "disk"
    assert "bound by reading from disk" in panel._scale_text.value
    panel.update(scale_match=1e5, scale_disk=10.0)
    assert "bound by arithmetic on the cores" in panel._scale_text.value


def test_measured_points_lie_on_the_lines_of_this_machine(panel):
    panel.take_measured()
    for line, points in (("matching", "a pass, measured"), ("computing", "embedding, measured")):
        line, points = _trace(panel, line), _trace(panel, points)
        x, y = np.array(points.x, float), np.array(points.y, float)
        expected = 10 ** np.interp(np.log10(x), np.log10(np.array(line.x, float)), np.log10(np.array(line.y, float)))
        assert y[-1] == pytest.approx(expected[-1], rel=0.05)
    size, written = panel.cost.storage_bytes / panel.scale_images, _trace(panel, "written here")
    assert written.y[0] * 1e9 / written.x[0] == pytest.approx(size, rel=0.02)


def test_more_dimensions_keep_more_of_the_top_in_the_same_part_of_the_pool(panel):
    table = panel._scale_table
    part = table[table["measure"] == "shortlist recall"]
    for _, curve in part.groupby("setting"):
        assert curve.sort_values("x")["value"].is_monotonic_increasing
    names = [trace.name for trace in panel._scale_live[1].data]
    assert names == [*part["setting"].unique(), "chance"]


def test_a_redraw_is_quick(panel):
    times = []
    for disk in (1.0, 2.0, 4.0):
        panel.scale_disk = disk
        times.append(panel.last_redraw_seconds)
    print(f"disk: {1000 * min(times):.0f} ms")
    assert min(times) < 1.2  # several times what an idle machine takes
