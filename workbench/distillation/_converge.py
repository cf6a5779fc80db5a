"""Potentials to convergence: Newton's method on the semi-dual of unbalanced transport, in double precision."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.distillation._problem import FAR, NOTHING, Problems, TransportConfig

_TOLERANCE = 1e-9
"""Of the largest difference between the mass that arrives at a point and what should, relative to the largest mass."""
_ROUNDING = 20 * 2.0**-52
"""Times the largest cost over eps: how exactly a mass, the exponential of such a number, can be had."""
_RIDGE = 1e-12
"""Relative: keeps solvable what falls into parts that exchange nothing when all mass must move."""
_STEPS = 60
_LEVEL_TOLERANCE = 1e-4
_LEVEL_STEPS = 15
_FACTOR = 0.5
_HALVINGS = 30


@dataclass(frozen=True, eq=False)
class _SemiDual:
    """Plain problems at one eps; the potentials f of the rows follow from those g of the columns.

    Attributes:
        costs: (Q, N, M).
        log_rows, log_columns: (Q, N) and (Q, M), logarithms of the masses.
        config: what is solved.
        eps: where.
    """

    costs: Tensor
    log_rows: Tensor
    log_columns: Tensor
    config: TransportConfig
    eps: float

    def rows(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return f (Q, N), and the share (Q, N, M) of the mass of each row that each column gets."""
        exponents = self.log_columns[:, None] + (g[:, None] - self.costs) / self.eps
        logarithm = torch.logsumexp(exponents, -1)
        return -self.eps * self.config.damping(self.eps) * logarithm, (exponents - logarithm[..., None]).exp()

    def sent(self, f: Tensor) -> Tensor:
        """Return how much mass (Q, N) leaves each row."""
        rho = self.config.rho
        return self.log_rows.exp() if rho is None else (self.log_rows - f / rho).exp()

    def wanted(self, g: Tensor) -> Tensor:
        """Return how much mass (Q, M) should arrive at each column."""
        rho = self.config.rho
        return self.log_columns.exp() if rho is None else (self.log_columns - g / rho).exp()

    def gradient(self, g: Tensor) -> Tensor:
        """Return ``b exp(-g / rho) - pi^T 1`` (Q, M), the gradient of the concave semi-dual."""
        f, shares = self.rows(g)
        return self.wanted(g) - (self.sent(f)[..., None] * shares).sum(1)

    def newton(self, g: Tensor) -> Tensor:
        """Return Newton's step (Q, M); columns without mass stay."""
        f, shares = self.rows(g)
        sent, rho = self.sent(f), self.config.rho
        arrived, wanted = (sent[..., None] * shares).sum(1), self.wanted(g)
        curvature = 1 / self.eps - (0 if rho is None else 1 / (rho + self.eps))
        hessian = -curvature * torch.einsum("qi,qij,qik->qjk", sent, shares, shares)
        diagonal = arrived / self.eps + (0 if rho is None else wanted / rho)
        diagonal = torch.where(wanted > 0, diagonal, 1)
        hessian = hessian + torch.diag_embed((1 + _RIDGE) * diagonal)
        if rho is None:  # g + c is as good as g: the step whose sum, weighted by mass, is 0
            hessian = hessian + wanted[..., None, :] * wanted[..., None] / self.eps
        scale = diagonal.clamp(min=torch.finfo(g.dtype).tiny).rsqrt()
        scaled = scale[..., None] * hessian * scale[..., None, :]
        return scale * torch.linalg.solve(scaled, scale * (wanted - arrived))


def converge(problems: Problems, masses: Tensor, diameter: Tensor) -> Tensor:
    """Return potentials (P, B, N) that one more step at ``blur^p`` does not change.

    eps falls from ``diameter^p`` by halves, so that each level begins close to its solution. A step of Newton's is shortened
    until the slope along it has fallen and not turned into a steeper one, which a concave function always allows.

    Args:
        problems: in float64, two or four.
        masses: (2, B, N) of the sides.
        diameter: (B,).

    Warns:
        RuntimeWarning: a problem has not converged.
    """
    config, kinds = problems.config, [0, 2, 3] if len(problems.log_masses) == 4 else [0]
    count, size = masses.shape[1:]
    costs = problems.costs[:, kinds].movedim(0, -1).reshape(-1, size, size)
    rows = torch.where(masses > 0, masses, 1).log().masked_fill(masses <= 0, NOTHING)
    sides = [rows[[0, 0, 1][: len(kinds)]].reshape(-1, size), problems.log_masses[kinds].reshape(-1, size)]
    sides[1] = sides[1].masked_fill(~problems.present[kinds].reshape(-1, size), NOTHING)
    eps = max(float(diameter.max()) ** config.p, config.eps)
    g = torch.zeros_like(sides[1])
    while True:
        last = eps <= config.eps
        tolerance = max(_TOLERANCE if last else _LEVEL_TOLERANCE, _ROUNDING * float(costs.max()) / eps)
        dual = _SemiDual(costs, *sides, config, eps)
        g, error = _level(dual, g, tolerance, _STEPS if last else _LEVEL_STEPS)
        if last:
            break
        eps = max(eps * _FACTOR, config.eps)
    if bool((late := error > tolerance).any()):
        warnings.warn(
            f"{int(late.reshape(-1, count).any(0).sum())} of {count} transport problems have not converged: the mass that arrives "
            f"at a point is off by {float(error.max()):.1e} of the largest",
            RuntimeWarning,
            stacklevel=4,
        )
    f = dual.rows(g)[0].reshape(-1, count, size)
    if config.rho is not None:
        f = f.clamp(max=FAR * config.rho)
    g = g.reshape(-1, count, size)
    return torch.cat([f[:1], g])


def _level(dual: _SemiDual, g: Tensor, tolerance: float, most: int) -> tuple[Tensor, Tensor]:
    """Return g (Q, M) after Newton's method at one eps, and the largest error of a mass (Q,)."""
    largest = dual.log_columns.exp().amax(-1).clamp(min=torch.finfo(g.dtype).tiny)
    gradient = dual.gradient(g)
    for _ in range(most):
        error = gradient.abs().amax(-1) / largest
        if bool((error <= tolerance).all()):
            return g, error
        step = dual.newton(g)
        slope = (gradient * step).sum(-1)
        share = torch.ones_like(slope)
        for _ in range(_HALVINGS):
            tried = g + share[:, None] * step
            tried_gradient = dual.gradient(tried)
            steeper = ~((tried_gradient * step).sum(-1).abs() <= 0.9 * slope) & (error > tolerance)
            if not bool(steeper.any()):
                break
            share = torch.where(steeper, share / 2, share)
        g, gradient = tried, tried_gradient
    return g, gradient.abs().amax(-1) / largest
