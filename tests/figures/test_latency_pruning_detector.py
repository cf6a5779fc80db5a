"""The figure of two detectors: each box where it was found, in its class's trace, beside what is there."""

from __future__ import annotations

import numpy as np

from workbench.figures.latency_pruning_detector import detector_figure
from workbench.figures.updates import copy_into

NAMES = ("vehicle", "person")
NOTHING = ("nothing", np.zeros((0, 4)), (), np.zeros(0))


def drawn(first=NOTHING, second=NOTHING, truth=((10, 20, 30, 40),)):
    return detector_figure(np.zeros((64, 64, 3), np.uint8), np.array(truth, float), [first, second], NAMES, "A scene")


def test_boxes_run_along_the_edges_of_their_pixels_in_the_trace_of_their_class():
    one = ("one", np.array([[0, 0, 4, 8], [5, 5, 6, 6]], float), ("person", "vehicle"), np.array([0.9, 0.5]))
    figure = drawn(one)
    person = next(trace for trace in figure.data if trace.name == "person")
    np.testing.assert_array_equal(person.x[:5], [-0.5, 3.5, 3.5, -0.5, -0.5])
    np.testing.assert_array_equal(person.y[:5], [-0.5, -0.5, 7.5, 7.5, -0.5])
    found = next(trace for trace in figure.data if trace.name == "found")
    assert list(found.text) == ["person 0.90", "vehicle 0.50"]


def test_both_pictures_show_the_scene_what_is_there_and_their_own_boxes():
    one = ("one", np.array([[0, 0, 4, 8.0]]), ("person",), np.array([0.9]))
    figure = drawn(NOTHING, one)
    halves = [[trace for trace in figure.data if trace.xaxis == axis] for axis in ("x", "x2")]
    assert [len(half) for half in halves] == [len(NAMES) + 3] * 2
    for half in halves:
        assert half[0].type == "image"
        np.testing.assert_array_equal(half[1].x[:2], [9.5, 29.5])
    assert [len(half[3].x) for half in halves] == [0, 6]
    assert [trace.name for trace in figure.data if trace.type == "scatter" and trace.showlegend] == [
        "what is there",
        *NAMES,
    ]


def test_another_scene_goes_into_the_same_traces():
    live, one = drawn(), ("one", np.array([[0, 0, 4, 8.0]]), ("vehicle",), np.array([0.9]))
    copy_into(live, drawn(one, one, truth=((1, 1, 2, 2), (3, 3, 5, 5))))
    assert len(live.data[1].x) == 12
    assert len(live.data[2].x) == 6
