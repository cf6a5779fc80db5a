"""The panel of notebook 05 without a browser: attributes in, drawn numbers and words out."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from workbench.experiments.results import load_results
from workbench.experiments.robust_transformers import robustness
from workbench.experiments.robust_transformers_lab import corrupt_and_predict, token_groups
from workbench.experiments.robust_transformers_views import NORMALISERS, ranking
from workbench.models.fan import VARIANTS
from workbench.ops.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS
from workbench.panels import robust_transformers_report as report
from workbench.panels.robust_transformers import (
    BUILDER,
    CHECKPOINT,
    ERRORS,
    GATES,
    GROUPS,
    LAB,
    MACHINE,
    PUBLISHED_VIEW,
    VIEWS,
    RobustTransformersPanel,
)
from workbench.panels.robust_transformers_blocks import HEADS, WIDTHS
from workbench.panels.robust_transformers_lab import small_grey


@pytest.fixture(scope="module")
def shared():
    return RobustTransformersPanel()


@pytest.fixture
def panel(shared):
    shared.reset()
    return shared


def named(figure, name):
    return next(one for one in figure.data if one.name == name)


def errors(panel):
    return [message.text for message in panel.messages[-2:] if message.level == "error"]


def png(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


# 1 Corruption lab


@pytest.mark.parametrize("corruption", ["none", *CORRUPTIONS, *EXTRA_CORRUPTIONS])
def test_the_picture_is_the_corrupted_one_and_bars_are_what_networks_say(panel, corruption):
    panel.update(corruption=corruption, severity=4, picture=7)
    seen = corrupt_and_predict(panel.held_out.images[7], corruption, 4, 0, index=7)
    np.testing.assert_array_equal(panel._lab_figure.data[1].z, seen.picture)
    np.testing.assert_allclose(named(panel._lab_figure, "FAN").x, 100 * seen.confidence["FAN"])
    assert not errors(panel)


def test_the_answer_names_both_guesses_and_the_measured_accuracy(panel):
    panel.update(picture=32, corruption="fog", severity=3)
    said = panel._answer_box.value
    assert "plain ViT says <b>T-shirt/top</b> ✗" in said
    assert "FAN says <b>Bag</b> ✓" in said
    table = load_results("robust_transformers_errors").query(
        "network == 'FAN' and corruption == 'fog' and severity == 3"
    )
    assert f"FAN {100 * (1 - table['error'].mean()):.0f} %" in said
    panel.corruption = "speckle_noise"  # no errors were measured on it
    assert "Right on" not in panel._answer_box.value


def test_another_seed_is_another_noise_and_the_same_one_the_same(panel):
    panel.update(corruption="gaussian_noise")
    first = np.array(panel._lab_figure.data[1].z)
    panel.corruption_seed = 1
    assert not np.array_equal(first, panel._lab_figure.data[1].z)
    panel.corruption_seed = 0
    np.testing.assert_array_equal(first, panel._lab_figure.data[1].z)


def test_a_picture_of_ones_own_is_what_all_views_look_at(panel):
    disc = np.hypot(*np.mgrid[-50:50, -60:60]) < 40
    panel.receive_file("disc.png", png(Image.fromarray(np.where(disc, 40, 240).astype(np.uint8))))
    assert panel.picture == -1
    picture = panel.clean_picture()
    assert picture.shape == (28, 28)
    assert picture[14, 14] > 200 > 60 > picture[0, 0]  # bright on black, as the networks know pictures
    assert "✓" not in panel._answer_box.value
    for view in VIEWS[:-1]:
        panel.view = view
        assert len(panel.frame()) > 0
    panel.receive_file("notes.txt", b"no picture at all")
    assert panel.messages[-1].text.startswith("notes.txt: this is no picture of a known kind")
    np.testing.assert_array_equal(panel.clean_picture(), picture)


def test_without_a_picture_of_ones_own_the_number_goes_back():
    fresh = RobustTransformersPanel()
    fresh.controls["picture"].value = -1
    assert fresh.picture == 32
    assert fresh.messages[-1].text == "there is no picture of your own yet: upload one, or give its path"


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (100, 3), (3, 200)])
def test_pictures_of_any_shape_become_small_and_whole(size):
    assert small_grey(Image.new("RGBA", size, "red")).shape == (28, 28)


# 2 All errors and 7 As published


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_the_ranking_is_that_of_the_normaliser(panel, normaliser):
    panel.update(view=ERRORS, normaliser=normaliser, first="CNN", second="CA")
    bars = panel._errors_figure.data[-1]
    expected = ranking(load_results("robust_transformers_errors"), normaliser)
    assert list(bars.y) == expected["network"].tolist()
    np.testing.assert_allclose(bars.x, expected["value"])
    assert named(panel._errors_figure, "CA").r is not None


def test_errors_that_were_measured_now_replace_those_of_their_network(panel):
    panel.view = ERRORS
    before = panel.errors
    panel.show_errors(before[before["network"] == "FAN"].assign(error=0.5))
    table = panel.errors_frame().set_index("network")
    assert table.loc["FAN", "value"] > 100
    assert table.loc["CNN", "value"] < 80
    panel.show_errors(before)
    assert panel.errors_frame().set_index("network").loc["FAN", "value"] < 80


def test_published_numbers_are_said_with_what_they_are_not(panel):
    panel.update(view=PUBLISHED_VIEW, published="FAN-L-Hybrid, 22k")
    assert "mCE 35.8 %" in panel._published_text.value
    assert "85 % kept" in panel._published_text.value
    panel.published = "DeiT-S"
    assert "no mCE was published" in panel._published_text.value


# 3 Grouping and 4 machine


def test_tokens_are_those_of_the_shown_picture_at_the_depth(panel):
    panel.update(view=GROUPS, network="plain ViT", depth=2, groups=4, noise=0.1)
    found = token_groups(panel.networks["plain ViT"], panel.seen().picture, 2, 4, 0.01, 0.1)
    np.testing.assert_array_equal(panel._groups_figure.data[2].z, found.painted)
    assert f"effective rank <b>{found.effective_rank:.1f}</b>" in panel._groups_text.value
    stored = load_results("robust_transformers_grouping").query("network == 'plain ViT' and trained and depth == 4")
    assert named(panel._groups_figure, "trained").y[-1] == pytest.approx(stored["effective_rank"].mean())


def test_the_machine_keeps_three_groups_at_a_middling_beta_and_one_point_at_a_small_one(panel):
    panel.update(view=MACHINE, beta=8.0, iterations=5)
    assert "<b>2</b> after" in panel._machine_text.value
    panel.beta = 1.0
    assert "<b>0</b> after" in panel._machine_text.value
    panel.mode = "bottleneck"
    assert len(named(panel._machine_figure, "centres of clusters").x) == 6


# 5 Gates and 6 builder


def test_freezing_the_gates_changes_next_to_nothing_and_a_large_constant_wakes_one(panel):
    panel.update(view=GATES, constant=40.0)
    assert panel._gates_figure.data[-1].y[0] > 0.7
    panel.freeze()
    assert "of the predictions changed" in panel._gates_text.value
    assert panel.gates_frame()["high"].max() < 0.52


@pytest.mark.parametrize(
    "parts, name",
    [
        ({}, "FAN"),
        ({"form": "none"}, "DW + LN_v"),
        ({"form": "none", "depthwise": False, "value_norm": False}, "plain ViT"),
        ({"depthwise": False}, "ECA, no DW"),
        ({"form": "se", "value_norm": False}, ""),
        ({"width": 96}, ""),
    ],
)
def test_the_built_block_is_told_by_its_parts(panel, parts, name):
    panel.update(view=BUILDER, **parts)
    figure = panel._builder_figure
    marked = [figure.layout.yaxis.ticktext[round((shape.y0 + shape.y1) / 2)] for shape in figure.layout.shapes]
    assert marked == [name] * bool(name)
    clean = 100 * robustness(panel.errors)["clean"].groupby(level="network").mean()
    np.testing.assert_allclose(named(figure, "clean pictures").x, clean[list(figure.layout.yaxis.ticktext)])
    assert (f"It is <b>{name}</b>" in panel._builder_text.value) is bool(name)


def test_every_width_and_number_of_heads_makes_a_block(panel):
    panel.view = BUILDER
    sizes = []
    for width in WIDTHS:
        for heads in HEADS:
            panel.update(width=width, heads=heads)
            sizes.append(int(panel._builder_text.value.split("<b>")[1].split("</b>")[0].replace(",", "")))
    assert sizes == sorted(sizes)  # wider is larger, and a head more has one temperature more


# 8 Checkpoint


def test_a_published_file_is_told_by_its_shapes_loaded_and_asked(panel, tmp_path):
    network = VARIANTS["fan_tiny_12_p16_224"](num_classes=7)
    path = tmp_path / "fan.pth.tar"
    torch.save({"state_dict": network.state_dict()}, path)
    panel._receive_path(str(path))
    assert panel.view == CHECKPOINT
    assert "fan_tiny_12_p16_224</b>, 7.1 million" in panel._checkpoint_text.value
    assert "every tensor found its place" in panel._checkpoint_text.value
    assert len(panel.checkpoint_frame()) == 0
    with torch.inference_mode():
        assert panel.logits().shape == (7,)
    bars = panel._checkpoint_figure.data[0].x
    np.testing.assert_allclose(bars, np.sort(panel.logits())[::-1][:5])


def test_files_that_are_no_checkpoint_are_one_sentence(panel, tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"state_dict": {"weight": torch.zeros(2, 2)}}, path)
    panel._receive_path(str(path))
    assert "tensors fit none of the published networks" in panel.messages[-1].text
    panel._receive_path(str(tmp_path / "nothing.pth"))
    assert "there is no file" in panel.messages[-1].text
    fresh = RobustTransformersPanel(view=CHECKPOINT)
    with pytest.raises(ValueError, match="no checkpoint was loaded yet: give its path"):
        fresh.frame()


# All of them


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_answers_a_slider_in_time_and_titles_fit(panel, view):
    panel.view = view
    times = []
    for severity in (1, 5, 2, 4):
        panel.severity = severity
        times.append(1000 * panel.last_redraw_seconds)
    print(f"{view}: {[round(time) for time in times]} ms")
    assert min(times) < 500  # several times what an idle machine takes: what must not come back is computing all anew
    assert all(len(figure.layout.title.text) <= 68 for figure in panel.shown_figures())


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("corruption", "rain", "corruption must be one of 'none', 'gaussian_noise'"),
        ("severity", 6, r"severity must be from 1 to 5 \(1 to 5\), got 6"),
        ("first", "ResNet-50", "first must be one of 'plain ViT', 'FAN'"),
        ("depth", 5, r"depth must be from 0 to 4 \(block\), got 5"),
        ("beta", 3.0, "beta must be one of 0.5, 1.0"),
    ],
)
def test_wrong_values_from_code_are_named(panel, name, value, words):
    with pytest.raises(ValueError, match=words):
        setattr(panel, name, value)


def test_export_holds_what_is_shown(panel, tmp_path):
    panel.view = LAB
    panel.export_csv(tmp_path / "seen.csv")
    table = pd.read_csv(tmp_path / "seen.csv")
    assert table["FAN"].sum() == pytest.approx(1, abs=1e-5)
    assert table["class"].tolist() == list(panel.held_out.class_names)


def test_claims_table_shows_stored_results_and_a_quick_run_replaces_what_it_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    tiny = report.RobustConfig(report.QUICK.recipe.__class__(train=64, epochs=1), ("plain ViT", "linear"), (0,), 20, 10)
    monkeypatch.setattr(report, "QUICK", tiny)
    table = report.ClaimsTable()
    assert "measured on" in table.value
    runs = report.run_panel(table, lambda errors: None)
    runs.start(report.RUN_QUICK)
    runs.wait(120)
    assert not [message for message in runs.messages if message.level == "error"]
    assert "measured just now" in table.value
    assert "Not part of this run" in table.value
