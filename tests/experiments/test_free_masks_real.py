"""Photographs with true masks: parts, hits and misses, and what is said where a data set is absent."""

import numpy as np
import pytest

from workbench.datasets import NotInstalledError
from workbench.experiments import free_masks_real as real
from workbench.metrics.coco import InstanceSet


def _masks(*squares) -> np.ndarray:
    masks = np.zeros((len(squares), 40, 60), bool)
    for mask, square in zip(masks, squares, strict=True):
        mask[square] = True
    return masks


def test_hits_and_misses_are_counted_by_half_of_an_overlap():
    truth = [InstanceSet(_masks(np.s_[:10, :10], np.s_[20:30, 20:30])), InstanceSet(_masks(np.s_[:10, :10]))]
    two = _masks(np.s_[:10, :10], np.s_[:10, 1:11], np.s_[20:30, 26:36])  # overlaps 1, 0.82 and 0.25
    assert real.hits([InstanceSet(two), InstanceSet(two[2:])], truth) == {"hit": pytest.approx(100 / 3), "wrong": 1.0}
    nothing = InstanceSet(np.zeros((0, 40, 60), bool))
    assert real.hits([nothing, nothing], truth) == {"hit": 0.0, "wrong": 0.0}
    assert real.hits([InstanceSet(two)], [nothing]) == {"hit": 0.0, "wrong": 3.0}


@pytest.mark.parametrize("square", [np.s_[0:5, 0:5], np.s_[470:480, 630:640], np.s_[200:220, 300:330]])
def test_a_part_lies_inside_and_holds_the_middle(square):
    masks = np.zeros((1, 480, 640), bool)
    masks[0][square] = True
    rows, columns = real.part_around(masks)
    assert (rows.stop - rows.start, columns.stop - columns.start) == real.PART
    assert min(rows.start, columns.start) >= 0
    assert rows.stop <= 480
    assert columns.stop <= 640
    assert masks[0][rows, columns].sum() == masks.sum()


def test_every_method_finds_something_in_made_photographs(monkeypatch):
    picture = np.full((48, 64, 3), 90, np.uint8)
    picture[20:40, 20:40] = (250, 60, 20)
    mask = (picture[..., 0] == 250)[None]
    monkeypatch.setitem(real.DATASETS, "made", lambda seed, count: [real.Photograph(picture, mask)] * count)
    config = real.RealMasksConfig(("made",), ("pixels", "Lab colour and edges"), (0,), 2)
    table = real.measure_real(config).set_index(["features", "method"])
    assert tuple(table.reset_index()[list(real.COLUMNS)].columns) == real.COLUMNS
    assert table.loc[("pixels", "merged regions"), "hit"] == 100
    assert table.loc[("Lab colour and edges", "Free Mask"), "hit"] == 100


def test_absent_photographs_are_named_with_what_fetches_them(monkeypatch, tmp_path):
    for variable in ("WORKBENCH_PHOTO_CUTOUTS", "WORKBENCH_ROOM_PHOTOS", "WORKBENCH_LINEMOD_OCCLUSION"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for dataset in real.DATASETS:
        with pytest.raises(NotInstalledError, match=r"python -m workbench\.datasets\.build"):
            real.DATASETS[dataset](7, 1)
