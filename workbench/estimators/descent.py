"""The paper's solver: gradient descent on softplus increments, re-tuned at every solve (section 2.2 and Table 5).

With ``q_t = q_0 + sum_{s<=t} softplus(x_s)``, the gradient of problem (4) by ``q_t`` is
``c S(q_{t-1}) - c S(q_t) - c'(q_{t+1} - q_t) f(q_t)`` for ``t < T`` and ``c S(q_{T-1}) - P f(q_T)`` for the last round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from workbench.estimators.law import RequirementLaw
from workbench.estimators.search import Array


@dataclass(frozen=True)
class DescentConfig:
    """The sweep over settings that the paper repeats at every solve, in sizes scaled by the centre of the law.

    Attributes:
        steps: of each run.
        learning_rates: tried with each optimiser.
        momentum: of gradient descent.
        betas: decay rates of Adam's moments.
    """

    steps: int = 300
    learning_rates: tuple[float, ...] = (0.005, 0.02, 0.1, 0.5)
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)


def descend(
    law: RequirementLaw, price: Array, penalty: float, rounds: int, config: DescentConfig = DescentConfig()
) -> Array:
    """Return the best sizes (rounds, K) met by any run of the sweep; all runs descend side by side.

    Starts: the paper's (the first order reaches the centre of the law, order ``s + 1`` is ``1/(s + 1)`` of it), and a first
    order four times as large, since the penalty's gradient vanishes below a steep law and only large orders feel the bill.
    """
    scale = np.maximum(law.centre - law.present, 1e-12 * np.maximum(law.present, 1.0))
    starts = [factor / np.arange(1, rounds + 1) for factor in (1.0, 4.0)]
    first = np.stack([np.repeat(start[:, None], law.sources, 1) for start in starts])
    rates = np.array(config.learning_rates)
    x = np.tile(np.log(np.expm1(first)), (2 * len(rates), 1, 1))
    rate = np.repeat(np.tile(rates, 2), len(first))[:, None, None]
    adaptive = np.repeat([False, True], len(rates) * len(first))[:, None, None]
    unit = float(price @ scale)
    velocity, second = np.zeros_like(x), np.zeros_like(x)
    best_value, best_path = penalty, np.repeat(law.present[None], rounds, 0)  # ordering nothing
    room = np.maximum(law.q_max, law.present) - law.present
    for step in range(config.steps):
        steps = np.logaddexp(0.0, x) * scale
        path = law.present + np.minimum(np.cumsum(steps, 1), room)
        value, slope = value_and_gradient(law, path, price, penalty)
        index = int(np.nanargmin(value))
        if value[index] < best_value:
            best_value, best_path = float(value[index]), path[index].copy()
        gradient = np.cumsum(slope[:, ::-1], 1)[:, ::-1] * scale / unit * expit(x)
        velocity = np.where(adaptive, config.betas[0] * velocity + (1 - config.betas[0]) * gradient,
                            config.momentum * velocity + gradient)  # fmt: skip
        second = config.betas[1] * second + (1 - config.betas[1]) * gradient**2
        mean = velocity / (1 - config.betas[0] ** (step + 1))
        spread = np.sqrt(second / (1 - config.betas[1] ** (step + 1))) + 1e-8
        x = np.clip(x - rate * np.where(adaptive, mean / spread, velocity), -30.0, 1e4)
    return best_path


def value_and_gradient(law: RequirementLaw, path: Array, price: Array, penalty: float) -> tuple[Array, Array]:
    """Return the expected cost (R,) and its gradient (R, T, K) by the cumulative sizes ``path`` (R, T, K)."""
    missed, density = law.survival(path), law.success_gradient(path)
    before = np.concatenate([np.broadcast_to(law.present, (len(path), 1, law.sources)), path[:, :-1]], 1)
    missed_before = np.concatenate([np.ones((len(path), 1)), missed[:, :-1]], 1)
    bill = (path - before) @ price
    value = (bill * missed_before).sum(1) + penalty * missed[:, -1]
    at_stake = np.concatenate([bill[:, 1:], np.full((len(path), 1), penalty)], 1)
    kept = np.concatenate([missed[:, :-1], np.zeros((len(path), 1))], 1)
    gradient = price * (missed_before - kept)[..., None] - at_stake[..., None] * density
    return value, gradient
