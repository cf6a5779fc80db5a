"""The training loop in one process."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from workbench.training import Cancelled, CancelToken, TrainingConfig, fit
from workbench.training.config import choose_precision


def config(**options) -> TrainingConfig:
    return TrainingConfig(**({"epochs": 3, "batch_size": 8, "device": "cpu", "num_threads": 1} | options))


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in model.state_dict().values()])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_seed_gives_the_same_result_and_another_seed_does_not(recipe, workers):
    def run(seed):
        fixed = recipe.build_model(seed=0, dropout=0.3)
        return recipe.train(config(seed=seed, workers=workers), samples=recipe.Samples(22, noisy=True), model=fixed)

    (model, result), (same_model, same), (other_model, other) = run(1), run(1), run(2)
    assert torch.equal(flat(model), flat(same_model))
    pd.testing.assert_frame_equal(result.history, same.history, check_exact=True)
    assert not torch.allclose(flat(model), flat(other_model), atol=1e-4)
    assert not np.allclose(result.history["train_loss"], other.history["train_loss"], rtol=1e-4)


def test_workers_draw_other_random_numbers_in_each_epoch_and_for_each_seed(recipe):
    seen = []

    def remember(model, batch):
        seen.append(batch[0] - samples.inputs)
        return recipe.mean_squared_error(model, batch)

    samples = recipe.Samples(8, noisy=True)
    for seed in (0, 1):
        recipe.train(config(epochs=2, workers=2, shuffle=False, seed=seed), samples=samples, loss_fn=remember)
    draws = torch.stack(seen)[:, :, 0]
    assert draws.shape == (4, 8)
    assert len(torch.unique(draws)) == 32


def test_a_small_set_is_learned_by_heart(recipe):
    model, result = recipe.train(config(epochs=150, batch_size=4), samples=recipe.Samples(8))
    assert result.status == "finished"
    assert result.history["train_loss"].iloc[-1] < 0.01 * result.history["train_loss"].iloc[0]
    assert result.history["error"].iloc[-1] < 0.1
    assert not model.training


def test_the_history_has_a_row_per_epoch_with_losses_and_validation(recipe):
    calls = []

    def validate(model):
        calls.append((model.training, torch.is_grad_enabled()))
        return {"score": torch.tensor(0.5 * len(calls)), "other": 1}

    _, result = recipe.train(config(monitor="score", mode="max"), samples=recipe.Samples(20), validate=validate)
    history = result.history
    assert list(history.columns) == ["epoch", "learning_rate", "train_loss", "train_absolute", "score", "other"]
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["score"].tolist() == [0.5, 1.0, 1.5]
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.09, 0.081])
    assert calls == [(False, False)] * 3
    assert (result.best_epoch, result.best_value) == (3, 1.5)


def test_train_loss_is_the_mean_over_samples_also_with_a_smaller_last_batch(recipe):
    model, samples = recipe.build_model(), recipe.Samples(11)
    with torch.no_grad():
        expected = (model(samples.inputs).squeeze(1) - samples.targets).square().mean().item()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    result = fit(model, recipe.mean_squared_error, samples, optimizer=optimizer, config=config(epochs=1))
    assert result.history["train_loss"][0] == pytest.approx(expected, rel=1e-6)


def test_drop_last_leaves_out_the_smaller_batch(recipe):
    sizes = []

    def remember(model, batch):
        sizes.append(len(batch[0]))
        return recipe.mean_squared_error(model, batch)

    recipe.train(config(epochs=1, drop_last=True), samples=recipe.Samples(22), loss_fn=remember)
    assert sizes == [8, 8]


def test_a_batch_cut_in_pieces_gives_the_gradients_of_the_whole(recipe):
    sizes = []

    def remember(model, batch):
        sizes.append(len(batch[0]))
        return recipe.mean_squared_error(model, batch)

    whole, whole_result = recipe.train(config(gradient_clip=0.5), samples=recipe.Samples(22))
    cut, cut_result = recipe.train(
        config(gradient_clip=0.5, accumulate=3), samples=recipe.Samples(22), loss_fn=remember
    )
    torch.testing.assert_close(flat(cut), flat(whole), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(cut_result.history, whole_result.history, rtol=1e-5)
    assert sizes == [3, 3, 2, 3, 3, 2, 2, 2, 2] * 3


def test_early_stop_keeps_the_best_weights(recipe):
    values = iter([3.0, 2.0, 2.5, 2.0, 1.0, 0.5])
    seen = []

    def validate(model):
        seen.append(flat(model).clone())
        return {"error": next(values)}

    options = config(epochs=6, monitor="error", patience=2)
    model, result = recipe.train(options, samples=recipe.Samples(20), validate=validate)
    assert result.status == "stopped early"
    assert result.history["error"].tolist() == [3.0, 2.0, 2.5, 2.0]
    assert (result.best_epoch, result.best_value) == (2, 2.0)
    assert torch.equal(flat(model), seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_the_last_weights_stay_when_the_best_are_not_wanted(recipe):
    seen = []

    def validate(model):
        seen.append(flat(model).clone())
        return {"error": float(len(seen))}

    options = config(monitor="error", restore_best=False)
    model, result = recipe.train(options, samples=recipe.Samples(20), validate=validate)
    assert torch.equal(flat(model), seen[2])
    best = torch.cat([value.flatten() for value in result.best_weights.values()])
    assert torch.equal(best, seen[0])


def test_a_monitor_that_is_never_a_number_has_no_best_epoch(recipe):
    options = config(monitor="error", patience=2)
    _, result = recipe.train(options, samples=recipe.Samples(8), validate=lambda model: {"error": float("nan")})
    assert (result.status, result.best_epoch, result.best_weights) == ("stopped early", None, None)


@pytest.mark.parametrize("restore_best", [True, False])
def test_the_moving_average_follows_its_formula_and_is_what_is_kept(recipe, restore_best):
    raw, validated = [], []

    def remember(model, batch):
        raw.append(flat(model.module).clone())
        return recipe.mean_squared_error(model, batch)

    def validate(model):
        validated.append(flat(model).clone())
        return {"error": -float(len(validated))}

    options = config(epochs=4, ema_decay=0.8, monitor="error", restore_best=restore_best)
    model, _ = recipe.train(options, samples=recipe.Samples(8), loss_fn=remember, validate=validate)
    average = raw[1]  # after the first step
    torch.testing.assert_close(validated[0], average)
    for step in (2, 3):
        average = 0.8 * average + 0.2 * raw[step]
        torch.testing.assert_close(validated[step - 1], average)
    assert torch.equal(flat(model), validated[3])


def test_the_gradient_is_clipped_to_its_norm(recipe):
    model = recipe.build_model()
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    options = config(epochs=1, batch_size=20, gradient_clip=0.01)
    fit(
        model,
        recipe.mean_squared_error,
        recipe.Samples(20),
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        config=options,
    )
    change = torch.cat([p.detach().flatten() for p in model.parameters()]) - before
    assert change.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_the_scheduler_can_step_after_each_optimizer_step(recipe):
    _, result = recipe.train(config(scheduler_step="step"), samples=recipe.Samples(22))
    np.testing.assert_allclose(result.history["learning_rate"], [0.1, 0.1 * 0.9**3, 0.1 * 0.9**6])


def test_a_plateau_scheduler_looks_at_the_monitor(recipe):
    model = recipe.build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    common = {"optimizer": optimizer, "scheduler": scheduler, "validate": lambda model: {"error": 1.0}}
    result = fit(model, recipe.mean_squared_error, recipe.Samples(8), config=config(monitor="error"), **common)
    np.testing.assert_allclose(result.history["learning_rate"], [0.1, 0.1, 0.05])
    with pytest.raises(ValueError, match="scheduler_step is 'step', expected 'epoch'"):
        fit(model, recipe.mean_squared_error, recipe.Samples(8), config=config(scheduler_step="step"), **common)


def test_precision_auto_on_the_cpu_is_32_bit_and_bfloat16_can_be_asked_for(recipe):
    kinds = []

    class Spy(nn.Linear):
        def forward(self, inputs):
            output = super().forward(inputs)
            kinds.append(output.dtype)
            return output

    assert choose_precision("auto", torch.device("cpu")) == "32-true"
    for precision, kind in {"auto": torch.float32, "bf16-mixed": torch.bfloat16}.items():
        kinds.clear()
        model = nn.Sequential(Spy(4, 1))
        recipe.train(config(epochs=1, precision=precision), samples=recipe.Samples(8), model=model, validate=None)
        assert kinds == [kind]
        assert model[0].weight.dtype == torch.float32


def test_a_broken_sample_is_named_by_epoch_and_step_and_changes_nothing(recipe):
    seen = []

    def remember(model, batch):
        seen.append(flat(model.module).clone())
        return recipe.mean_squared_error(model, batch)

    model = recipe.build_model()
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1, step 2 of 3"):
        recipe.train(config(shuffle=False), samples=recipe.Samples(20, broken=10), model=model, loss_fn=remember)
    assert torch.equal(flat(model), seen[1])


def test_a_finite_loss_with_an_infinite_gradient_is_an_error_too(recipe):
    def root_at_zero(model, batch):
        return (0 * model(batch[0])).sqrt().mean()

    model = recipe.build_model()
    before = flat(model).clone()
    with pytest.raises(FloatingPointError, match="the norm of the gradient is nan in epoch 1, step 1 of 1"):
        recipe.train(config(), samples=recipe.Samples(8), model=model, loss_fn=root_at_zero)
    assert torch.equal(flat(model), before)


@pytest.mark.parametrize("in_progress", [True, False])
def test_stop_ends_the_run_within_a_step(recipe, in_progress):
    token, steps = CancelToken(), []

    def loss_fn(model, batch):
        steps.append(1)
        return recipe.mean_squared_error(model, batch)

    def progress(done, total, message):
        if done == 5 and in_progress:
            raise Cancelled("stopped")
        if done == 5:
            token.cancel()

    model, result = recipe.train(
        config(epochs=50), samples=recipe.Samples(20), loss_fn=loss_fn, progress=progress, cancel=token
    )
    assert result.status == "cancelled"
    assert result.history["epoch"].tolist() == [1]
    assert len(steps) == (5 if in_progress else 6)
    assert torch.equal(flat(model), torch.cat([value.flatten() for value in result.best_weights.values()]))


def test_stop_before_the_first_epoch_gives_an_empty_history(recipe):
    token = CancelToken()
    token.cancel()
    before = flat(recipe.build_model())
    model, result = recipe.train(config(), samples=recipe.Samples(20), cancel=token)
    assert (result.status, len(result.history), result.best_epoch) == ("cancelled", 0, None)
    assert torch.equal(flat(model), before)


def test_stop_within_validation_counts_as_cancelled(recipe):
    def validate(model):
        raise Cancelled("stopped")

    _, result = recipe.train(config(), samples=recipe.Samples(20), validate=validate)
    assert result.status == "cancelled"


def test_progress_counts_every_step_up_to_the_total(recipe):
    calls = []
    recipe.train(config(), samples=recipe.Samples(22), progress=lambda *call: calls.append(call))
    assert [done for done, _, _ in calls] == [*range(1, 10), 9]
    assert {total for _, total, _ in calls} == {9}
    assert "epoch 2 of 3" in calls[4][2]


def test_threads_random_states_and_flags_are_given_back(recipe):
    threads, inside = torch.get_num_threads(), []

    def loss_fn(model, batch):
        inside.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))
        return recipe.mean_squared_error(model, batch)

    model = recipe.build_model()
    expected = torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002 (the global generator is the point)
    model = recipe.build_model()
    recipe.train(config(num_threads=threads + 1), samples=recipe.Samples(8), model=model, loss_fn=loss_fn)
    assert set(inside) == {(threads + 1, True)}
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert (torch.rand(1), np.random.rand(), random.random()) == expected  # noqa: NPY002 (as above)


@pytest.mark.parametrize(
    "loss_fn, error, message",
    [
        (lambda model, batch: model(batch[0]), TypeError, r"tensor of shape \(8, 1\) as 'loss', expected a scalar"),
        (lambda model, batch: 3.0, TypeError, "float as 'loss', expected a scalar"),
        (lambda model, batch: {"box": model(batch[0]).sum()}, ValueError, "returned box, expected 'loss'"),
    ],
)
def test_what_a_loss_function_must_return(recipe, loss_fn, error, message):
    with pytest.raises(error, match=message):
        recipe.train(config(), samples=recipe.Samples(8), loss_fn=loss_fn)


def test_losses_must_have_the_same_names_for_every_batch(recipe):
    def loss_fn(model, batch):
        losses = recipe.mean_squared_error(model, batch)
        return losses if len(batch[0]) == 8 else {"loss": losses["loss"]}

    with pytest.raises(ValueError, match="returned loss, expected loss, absolute as for the first batch"):
        recipe.train(config(), samples=recipe.Samples(9), loss_fn=loss_fn)


def test_an_unknown_monitor_is_answered_with_the_known_ones(recipe):
    with pytest.raises(ValueError, match=r"monitor is 'map', expected one of .*train_loss, train_absolute, error"):
        recipe.train(config(monitor="map"), samples=recipe.Samples(8))


def test_validation_must_not_take_a_name_of_the_loops_own(recipe):
    with pytest.raises(ValueError, match="validate returned train_loss, expected other names"):
        recipe.train(config(), samples=recipe.Samples(8), validate=lambda model: {"train_loss": 1.0})


def test_data_must_be_map_style(recipe):
    with pytest.raises(TypeError, match="data is generator, expected a map-style data set"):
        recipe.train(config(), samples=(sample for sample in []))
    with pytest.raises(ValueError, match="training data has 0 samples"):
        recipe.train(config(), samples=torch.utils.data.TensorDataset(torch.zeros(0, 4), torch.zeros(0)))


def test_collate_makes_the_batch_and_nested_batches_reach_the_loss(recipe):
    def collate(samples):
        return {"images": [inputs for inputs, _ in samples], "targets": torch.stack([target for _, target in samples])}

    def loss_fn(model, batch):
        predictions = torch.stack([model(image) for image in batch["images"]]).squeeze(1)
        return (predictions - batch["targets"]).square().mean()

    plain, _ = recipe.train(config(), samples=recipe.Samples(20))
    collated, _ = recipe.train(config(), samples=recipe.Samples(20), collate=collate, loss_fn=loss_fn)
    torch.testing.assert_close(flat(collated), flat(plain), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"batch_size": 0}, ValueError, "batch_size is 0, expected a whole number of at least 1"),
        ({"epochs": 2.5}, TypeError, "epochs is 2.5, expected a whole number"),
        ({"patience": 0}, ValueError, "patience is 0, expected None or a whole number of at least 1"),
        ({"seed": 2**32}, ValueError, "seed is 4294967296, expected at most"),
        ({"precision": "fp16"}, ValueError, "precision is 'fp16', expected one of 'auto'"),
        ({"gradient_clip": 0.0}, ValueError, "gradient_clip is 0.0, expected None or"),
        ({"ema_decay": 1.0}, ValueError, "ema_decay is 1.0, expected None or"),
    ],
)
def test_options_outside_their_range(options, error, message):
    with pytest.raises(error, match=message):
        TrainingConfig(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none_is_a_clear_error(recipe):
    with pytest.raises(ValueError, match="device is 'cuda', but torch finds no CUDA device"):
        recipe.train(config(device="cuda"), samples=recipe.Samples(8))
