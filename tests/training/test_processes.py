"""Runs in other processes: killed and started again, and shared by two."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.training import TrainingConfig, fit
from workbench.training.checkpoint import read_checkpoint

LIMIT = 180


def wait_until(condition, others):
    process, folder = others
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() in (None, 0), (folder / "output.txt").read_text()
        assert time.monotonic() < deadline, f"nothing after {LIMIT} s: {(folder / 'output.txt').read_text()}"
        time.sleep(0.02)


def test_a_run_killed_within_an_epoch_ends_like_one_never_stopped(recipe, others, tmp_path):
    path = others[1] / "run.pt"
    wait_until(lambda: path.exists() and read_checkpoint(path)["epoch"] == 2, others)
    time.sleep(0.2)  # into the third epoch, where it is stuck
    os.kill(int((others[1] / "pid.txt").read_text()), signal.SIGKILL)
    time.sleep(0.1)
    assert read_checkpoint(path)["epoch"] == 2

    noisy = recipe.Samples(20, noisy=True)
    resumed_model, resumed = recipe.train(recipe.killed_config(path), samples=noisy, dropout=0.3)
    whole_model, whole = recipe.train(recipe.killed_config(tmp_path / "whole.pt"), samples=noisy, dropout=0.3)
    pd.testing.assert_frame_equal(resumed.history, whole.history, check_exact=True)
    assert (resumed.best_epoch, resumed.best_value) == (whole.best_epoch, whole.best_value)
    for name, value in whole_model.state_dict().items():
        assert torch.equal(resumed_model.state_dict()[name], value), name
    ends = [read_checkpoint(file) for file in (path, tmp_path / "whole.pt")]
    for name, value in ends[1]["model"].items():
        assert torch.equal(ends[0]["model"][name], value), name
    assert ends[0]["random"][0]["python"] == ends[1]["random"][0]["python"]


@pytest.fixture
def reports(others):
    """What each of two processes came to."""
    files = [others[1] / f"rank{rank}.json" for rank in (0, 1)]
    wait_until(lambda: all(file.exists() for file in files), others)
    return [json.loads(file.read_text()) for file in files]


def test_two_processes_follow_the_curve_of_one(recipe, reports):
    model, result = recipe.train(recipe.shared_config(), samples=recipe.Samples(17))
    alone = recipe.outcome(model, result)
    for shared in (reports[0]["curve"], reports[1]["curve"], reports[0]["pieces"]):
        assert shared["status"] == "finished"
        np.testing.assert_allclose(shared["weights"], alone["weights"], rtol=1e-4, atol=1e-5)
        for column, values in alone["history"].items():
            np.testing.assert_allclose(shared["history"][column], values, rtol=1e-5, err_msg=column)
    assert alone["history"]["train_loss"][-1] < 0.5 * alone["history"]["train_loss"][0]


def test_two_processes_resume_together_after_one_was_told_to_stop(reports):
    for report in reports:
        assert report["cancelled"]["status"] == "cancelled"
        assert report["cancelled"]["history"]["epoch"] == [1]
        assert report["resumed"] == report["whole"]
    assert reports[0] == reports[1]


def test_every_process_hears_of_a_broken_sample_in_one(reports):
    for report in reports:
        assert "loss is nan in epoch 1, step 1 of 3" in report["error"]


def test_more_processes_started_than_configured_is_an_error(monkeypatch, recipe):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    model = recipe.build_model()
    with pytest.raises(ValueError, match=r"devices \* nodes is 1 \* 1 = 1, expected 2"):
        fit(
            model,
            recipe.mean_squared_error,
            recipe.Samples(4),
            optimizer=torch.optim.SGD(model.parameters()),
            config=TrainingConfig(device="cpu"),
        )
