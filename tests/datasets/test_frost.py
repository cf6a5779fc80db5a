"""The textures of frost that ship."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.datasets.frost import frost_textures


def test_five_textures_of_which_two_are_one():
    textures = frost_textures()
    assert [texture.shape for texture in textures] == [(300, 300, 3)] * 5
    assert np.array_equal(textures[1], textures[2])
    assert len({texture.tobytes() for texture in textures}) == 4
    assert not textures[0].flags.writeable


def test_missing_textures_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    frost_textures.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"frost.png is missing: rebuild it with .* frost"):
        frost_textures()
    frost_textures.cache_clear()
