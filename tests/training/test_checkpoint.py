"""Checkpoints: resume, refuse another run's, refuse damage."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from workbench.training import CancelToken, TrainingConfig, fit
from workbench.training.checkpoint import read_checkpoint, write_checkpoint


def config(path, **options) -> TrainingConfig:
    defaults = {"epochs": 4, "batch_size": 8, "device": "cpu", "num_threads": 1, "checkpoint_path": path}
    return TrainingConfig(**(defaults | options))


def stop_after(step: int):
    token = CancelToken()

    def progress(done, total, message):
        if done == step:
            token.cancel()

    return {"cancel": token, "progress": progress}


def same_weights(model: nn.Module, other: nn.Module) -> bool:
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


@pytest.mark.parametrize("step, every, kept, workers", [(1, 1, 0, 0), (7, 1, 2, 0), (9, 1, 3, 2), (11, 2, 2, 0)])
def test_a_cancelled_run_resumes_to_the_end_of_one_never_stopped(recipe, tmp_path, step, every, kept, workers):
    noisy = {"samples": recipe.Samples(20, noisy=True), "dropout": 0.3}
    options = {"checkpoint_every": every, "workers": workers, "ema_decay": 0.7, "monitor": "error"}
    whole_model, whole = recipe.train(config(None, **options), **noisy)

    options = config(tmp_path / "run.pt", **options)
    _, cancelled = recipe.train(options, **noisy, **stop_after(step))
    assert cancelled.status == "cancelled"
    assert read_checkpoint(tmp_path / "run.pt")["epoch"] == kept
    model, resumed = recipe.train(options, **noisy)
    assert same_weights(model, whole_model)
    pd.testing.assert_frame_equal(resumed.history, whole.history, check_exact=True)
    assert (resumed.best_epoch, resumed.best_value) == (whole.best_epoch, whole.best_value)


def test_the_very_same_objects_can_go_on_after_stop(recipe, tmp_path):
    whole_model, _ = recipe.train(config(None), samples=recipe.Samples(20))
    model = recipe.build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = recipe.falling(optimizer)
    call = {"optimizer": optimizer, "scheduler": scheduler, "config": config(tmp_path / "run.pt")}
    fit(model, recipe.mean_squared_error, recipe.Samples(20), **call, **stop_after(8))
    fit(model, recipe.mean_squared_error, recipe.Samples(20), **call)
    assert same_weights(model, whole_model)


def test_early_stop_counts_on_across_a_resume(recipe, tmp_path):
    errors = [1.0, 2.0, 2.0, 2.0, 2.0]

    def run(path, start, **extra):
        remaining = iter(errors[start:])
        options = config(path, epochs=5, monitor="error", patience=3)
        return recipe.train(
            options, samples=recipe.Samples(20), validate=lambda model: {"error": next(remaining)}, **extra
        )

    whole_model, _ = run(None, 0)
    run(tmp_path / "run.pt", 0, **stop_after(7))
    model, resumed = run(tmp_path / "run.pt", 2)
    assert (resumed.status, len(resumed.history), resumed.best_epoch) == ("stopped early", 4, 1)
    assert same_weights(model, whole_model)


def test_a_finished_run_is_read_not_trained_again_and_more_epochs_go_on_from_it(recipe, tmp_path):
    path = tmp_path / "run.pt"
    whole_model, _ = recipe.train(config(None, epochs=6), samples=recipe.Samples(20))
    recipe.train(config(path), samples=recipe.Samples(20))

    def must_not_run(model, batch):
        raise AssertionError("trained again")

    _, again = recipe.train(config(path), samples=recipe.Samples(20), loss_fn=must_not_run)
    assert (again.status, len(again.history)) == ("finished", 4)
    model, _ = recipe.train(config(path, epochs=6), samples=recipe.Samples(20))
    assert same_weights(model, whole_model)
    with pytest.raises(ValueError, match=r"epochs is 4, expected at least 6, which .*run\.pt has finished"):
        recipe.train(config(path), samples=recipe.Samples(20))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"seed": 5}, "seed is 0, expected 5"),
        ({"batch_size": 4}, "batch_size is 8, expected 4"),
        ({"ema_decay": 0.9}, "ema_decay is None, expected 0.9"),
        ({"precision": "bf16-mixed"}, "precision is '32-true', expected 'bf16-mixed'"),
    ],
)
def test_another_runs_checkpoint_is_refused_by_name(recipe, tmp_path, change, message):
    path = tmp_path / "run.pt"
    options = config(path, epochs=1)
    recipe.train(options, samples=recipe.Samples(20))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"run\.pt is the checkpoint of another run: {message}"):
        recipe.train(replace(options, **change), samples=recipe.Samples(20))
    assert path.read_bytes() == before


def test_other_data_learning_rate_and_shapes_are_refused(recipe, tmp_path):
    path = tmp_path / "run.pt"
    recipe.train(config(path, epochs=1), samples=recipe.Samples(20))
    with pytest.raises(ValueError, match="samples is 20, expected 24"):
        recipe.train(config(path), samples=recipe.Samples(24))
    wider = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Dropout(0.0), nn.Linear(32, 1))
    with pytest.raises(ValueError, match=r"another model: shape of 0\.weight is \(16, 4\), expected \(32, 4\)"):
        recipe.train(config(path), samples=recipe.Samples(20), model=wider)
    model = recipe.build_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.3)
    expected = "optimizer is 'SGD', expected 'AdamW'; scheduler is 'LambdaLR', expected None; learning rates is"
    with pytest.raises(ValueError, match=expected):
        fit(model, recipe.mean_squared_error, recipe.Samples(20), optimizer=optimizer, config=config(path))


@pytest.fixture(scope="module")
def whole_checkpoint(recipe, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "run.pt"
    recipe.train(config(path, epochs=1), samples=recipe.Samples(8))
    return path


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_checkpoint_cut_anywhere_is_refused_by_file_name(whole_checkpoint, share):
    path, content = whole_checkpoint.with_name("cut.pt"), whole_checkpoint.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut\.pt is not a readable checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no archive", bytes(range(256)) * 40])
def test_fit_refuses_a_damaged_checkpoint_and_leaves_it(recipe, tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.pt is not a readable checkpoint .*delete it to start again"):
        recipe.train(config(path), samples=recipe.Samples(8))
    assert path.read_bytes() == content


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt is not a checkpoint of workbench\.training"):
        read_checkpoint(tmp_path / "other.pt")


def test_a_checkpoint_never_runs_code(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "harm"),))

    torch.save({"format": Harmful()}, tmp_path / "harm.pt")
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        read_checkpoint(tmp_path / "harm.pt")
    assert not (tmp_path / "harm").exists()


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "run.pt"
    write_checkpoint(path, {"epoch": 1})
    with pytest.raises(Exception, match="pickle"):
        write_checkpoint(path, {"epoch": 2, "function": lambda: None})
    assert read_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_numpys_numbers_in_the_optimizer_do_not_spoil_the_checkpoint(recipe, tmp_path):
    model = recipe.build_model()
    call = {
        "optimizer": torch.optim.SGD(model.parameters(), lr=np.float64(0.1), momentum=np.float32(0.5)),
        "config": config(tmp_path / "run.pt", epochs=2),
    }
    fit(model, recipe.mean_squared_error, recipe.Samples(8), **call)
    result = fit(model, recipe.mean_squared_error, recipe.Samples(8), **call)
    assert result.status == "finished"
