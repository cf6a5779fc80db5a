"""A live figure is given only what changed, also inside of nested properties."""

import numpy as np
import plotly.graph_objects as go
import pytest

from workbench.figures.updates import copy_into


def _figure(errors):
    return go.Figure(go.Scatter(x=[1, 2], y=np.array([3.0, 4.0]), error_y={"array": np.array(errors), "width": 3}))


def test_arrays_inside_of_properties_are_compared_and_copied():
    live = _figure([0.1, 0.2])
    error = live.data[0].error_y
    copy_into(live, _figure([0.1, 0.2]))
    assert live.data[0].error_y is error
    copy_into(live, _figure([0.3, 0.4]))
    assert list(live.data[0].error_y.array) == [0.3, 0.4]
    assert live.data[0].error_y.width == 3


def test_other_traces_are_refused():
    with pytest.raises(ValueError, match="must have the same traces, got 1 and 0"):
        copy_into(_figure([0, 0]), go.Figure())
