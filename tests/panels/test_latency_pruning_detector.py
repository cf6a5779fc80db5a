"""The view of notebook 10 with a detector: a scene in, the boxes of both networks out."""

from __future__ import annotations

import time

import numpy as np
import pytest

from workbench.experiments.latency_pruning_pair import measured_pair, shipped_pair
from workbench.panels.base import Panel
from workbench.panels.latency_pruning_detector import DETECTOR, DetectorViews


class DetectorPanel(DetectorViews, Panel):
    """The view alone."""

    title = "detector"

    def build(self):
        self.build_detector_view()

    def frame(self):
        return self.detector_frame()


@pytest.fixture(scope="module")
def shared():
    return DetectorPanel()


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def test_the_shipped_pair_is_one_network_before_and_after():
    pair = shipped_pair()
    sizes = [sum(weight.numel() for weight in net.parameters()) for net in (pair.whole, pair.small)]
    assert sizes == measured_pair()["parameters"][["whole network", "HALP, refilled, layers kept"]].tolist()
    assert all(pair.plan.keep[group.units].any() for group in pair.plan.graph.groups)


def test_boxes_are_those_of_the_scene_and_of_the_score(panel):
    assert panel.view == DETECTOR
    frame = panel.frame()
    assert set(frame["network"]) == {"truth", "whole", "pruned"}
    found = frame[frame["network"] != "truth"]
    assert (found["score"] >= panel.least_score).all()
    assert (frame[["x0", "y0"]] >= 0).all(axis=None)
    assert (frame[["x1", "y1"]] <= 64).all(axis=None)
    panel.least_score = 0.8
    assert len(panel.frame()) <= len(frame)
    truth = panel._detector_figure.data[1]
    own = frame[frame["network"] == "truth"]
    np.testing.assert_allclose(truth.x[::6], own["x0"] - 0.5)


def test_another_scene_is_drawn_in_the_same_traces_within_a_moment(panel):
    traces = panel._detector_figure.data
    before = np.array(traces[0].z)
    panel.detector_scene = 7
    assert panel._detector_figure.data[0] is traces[0]
    assert not np.array_equal(before, np.array(traces[0].z))
    started = time.thread_time()
    panel.detector_scene = 8
    assert time.thread_time() - started < 0.5


def test_most_objects_are_found_by_both(panel):
    """Over twenty scenes each finds a box of the right class at most of the objects."""
    hits = {"whole": 0, "pruned": 0}
    count = 0
    for scene in range(20):
        panel.detector_scene = scene
        frame = panel.frame()
        for _, thing in frame[frame["network"] == "truth"].iterrows():
            count += 1
            for network in hits:
                own = frame[(frame["network"] == network) & (frame["class"] == thing["class"])]
                wide = np.minimum(own["x1"], thing["x1"]) - np.maximum(own["x0"], thing["x0"])
                high = np.minimum(own["y1"], thing["y1"]) - np.maximum(own["y0"], thing["y0"])
                common = wide.clip(0) * high.clip(0)
                areas = (own["x1"] - own["x0"]) * (own["y1"] - own["y0"])
                whole = (thing["x1"] - thing["x0"]) * (thing["y1"] - thing["y0"])
                hits[network] += bool((common / (areas + whole - common) >= 0.5).any())
    assert min(hits.values()) >= 0.6 * count


def test_words_name_both_latencies_and_precisions(panel):
    stored = measured_pair()
    for value in stored.loc[["whole network", "HALP, refilled, layers kept"], "precision"]:
        assert f"{value:.1f} %" in panel._detector_text.value
    pruned = stored.loc["HALP, refilled, layers kept"]
    assert f"{pruned['whole_ms'] / pruned['ms']:.2f} times" in panel._detector_text.value  # of those measured in turn
    assert "stored, one CPU" in panel._detector_text.value


def test_what_cannot_be():
    with pytest.raises(ValueError, match="scene must be at least 0, got -1"):
        shipped_pair().compare(-1)
