"""The panel of notebook 03 without a browser: attributes in, rankings and drawn numbers out."""

from __future__ import annotations

import pytest

from workbench.datasets import EmojiStreetConfig
from workbench.experiments.selection_cache import open_pool
from workbench.experiments.selection_pool import PoolConfig
from workbench.panels.targeted_selection import TargetedSelectionPanel
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
    example = panel.examples["dog 2"]
    assert (panel.columns[0], panel.rows[0], panel.columns[1], panel.rows[1]) == tuple(map(round, example.box))
    assert (panel.session.query.category, panel.clicks, panel.session.negatives) == ("dog", (), ())


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
