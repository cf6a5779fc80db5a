import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from workbench.metrics import BevIoU


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_it_is_the_jaccard_index_of_all_cells_of_the_set(seed):
    rng = np.random.default_rng(seed)
    guess, truth = rng.random((6, 2, 7, 9)), rng.random((6, 2, 7, 9)) < 0.3
    metric = BevIoU(("road", "lane"))
    for first in (0, 2):
        metric.update(guess[first : first + 2], truth[first : first + 2])
    for sample in (4, 5):
        metric.update(guess[sample], truth[sample])
    for layer, name in enumerate(("road", "lane")):
        expected = jaccard_score(truth[:, layer].ravel(), (guess[:, layer] > 0.5).ravel())
        assert metric.iou()[name] == pytest.approx(expected)
    assert metric.mean() == pytest.approx(np.mean(list(metric.iou().values())))


def test_rings_count_only_their_cells():
    distance = np.array([[0.0, 9.99, 10.0, 25.0]])
    metric = BevIoU(("road",), distance, rings=(0, 10, 20))
    metric.update([[[1.0, 0, 1, 0]]], [[[1, 1, 1, 1]]])
    assert metric.iou() == {"road": 0.5}
    assert metric.by_ring() == {(0, 10): {"road": 0.5}, (10, 20): {"road": 1.0}}


def test_exactly_one_half_is_not_above_it_and_an_empty_layer_has_no_number():
    metric = BevIoU(("road", "lane"))
    metric.update(np.stack([np.full((2, 2), 0.5), np.zeros((2, 2))]), np.stack([np.ones((2, 2)), np.zeros((2, 2))]))
    assert metric.iou()["road"] == 0
    assert np.isnan(metric.iou()["lane"])


def test_bad_maps_are_named():
    metric = BevIoU(("road", "lane"))
    with pytest.raises(ValueError, match="take the sigmoid"):
        metric.update(np.full((2, 3, 3), 4.0), np.ones((2, 3, 3)))
    with pytest.raises(ValueError, match=r"maps must be \(..., 2, rows, columns\)"):
        metric.update(np.ones((1, 3, 3)), np.ones((1, 3, 3)))
    with pytest.raises(ValueError, match="rising rings"):
        BevIoU(("road",), np.zeros((2, 2)), rings=(10, 0))
    with pytest.raises(ValueError, match="rings need"):
        BevIoU(("road",), rings=(0, 10))
