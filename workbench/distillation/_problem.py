"""The transport problems of a divergence, padded to one size and solved as one batch of softmins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

NOTHING = -1e30
"""Logarithm of no mass: finite, since the difference of two infinities is NaN, and beyond whatever a potential can outweigh."""
FAR = 1e3
"""Potential, in units of rho, of a point whose other side is empty: exp(-1000) is 0, so that all its mass is destroyed."""
_NEAR = -50.0
"""Least potential, in units of rho: a point without mass may come close to it, and exp(-f / rho) must stay finite in float32."""
_LEAST_EXPONENT = {torch.float32: -80.0, torch.float64: -700.0}


@dataclass(frozen=True)
class TransportConfig:
    """Exponent, regularisation and reach of unbalanced transport: ``eps = blur^p`` and ``rho = reach^p``.

    Raises:
        ValueError: ``p`` below 1, ``blur`` or ``reach`` not above 0, or ``scaling`` not in (0, 1).
    """

    p: float = 2
    blur: float = 1e-3
    reach: float | None = 0.5
    scaling: float = 0.5

    def __post_init__(self) -> None:
        if not 1 <= self.p < math.inf:
            raise ValueError(f"p must be at least 1, got {self.p!r}")
        for name, value in (("blur", self.blur), ("reach", 1.0 if self.reach is None else self.reach)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite, got {value!r}")
        if not 0 < self.scaling < 1:
            raise ValueError(f"scaling must be between 0 and 1, got {self.scaling!r}")

    @property
    def eps(self) -> float:
        """Weight of the entropy."""
        return self.blur**self.p

    @property
    def rho(self) -> float | None:
        """Weight of the mass that is created or destroyed; None where all mass must be moved."""
        return None if self.reach is None else self.reach**self.p

    def damping(self, eps: Tensor | float) -> Tensor | float:
        """Return ``lam = 1 / (1 + eps / rho)``."""
        return 1.0 if self.rho is None else 1 / (1 + eps / self.rho)


@dataclass(frozen=True, eq=False)
class Sides:
    """Points (2, B, N, d) and masses (2, B, N) of both sides, padded with massless points to one N."""

    points: Tensor
    masses: Tensor

    @classmethod
    def pad(cls, x: Tensor, a: Tensor, y: Tensor, b: Tensor) -> Sides:
        """Return the sides of flat batches x (B, n, d), a (B, n), y (B, m, d), b (B, m)."""
        size = max(x.shape[1], y.shape[1], 1)
        points = [functional.pad(one, (0, 0, 0, size - one.shape[1])) for one in (x, y)]
        masses = [functional.pad(one, (0, size - one.shape[1])) for one in (a, b)]
        return cls(torch.stack(points), torch.stack(masses))

    def problems(self, config: TransportConfig, debias: bool) -> Problems:
        """Return the problems (x, y) and (y, x), and with ``debias`` (x, x) and (y, y); the first points carry gradient."""
        rows, columns = ([0, 1, 0, 1], [1, 0, 0, 1]) if debias else ([0, 1], [1, 0])
        fixed = self.points.detach()[columns]
        distances = torch.cdist(self.points[rows], fixed, compute_mode="donot_use_mm_for_euclid_dist")
        distances = distances.movedim(-1, 0).contiguous()
        masses = self.masses.detach()[columns]
        present = masses > 0
        logarithms = torch.where(present, masses, 1).log()
        return Problems(distances**config.p / config.p, logarithms, present, config)


@dataclass(frozen=True, eq=False)
class Problems:
    """P problems, 2 or 4, ready for iteration.

    Attributes:
        costs: (M, P, B, N), the point that is summed over first: sums over the first axis run over contiguous numbers.
        log_masses: (P, B, M) of the points that are summed over.
        present: (P, B, M), which of these have mass.
        config: what is solved.
    """

    costs: Tensor
    log_masses: Tensor
    present: Tensor
    config: TransportConfig

    def softmin(self, eps: Tensor | float, potentials: Tensor | None = None) -> Tensor:
        """Return ``-lam eps log sum_j exp(log mass_j + (potential_j - C_ij) / eps)``, the next potentials (P, B, N).

        Args:
            eps: a number, or one (B, 1) for each problem.
            potentials: those of the step before; None for 0.
        """
        config, exponents = self.config, self.exponents(eps, potentials)
        largest = exponents.detach().amax(0)
        # exp is fifty times slower where it underflows, and nothing that small is seen beside the largest.
        terms = (exponents - largest).clamp_(min=_LEAST_EXPONENT[exponents.dtype]).exp_()
        found = (terms.sum(0).log_() + largest) * (-eps * config.damping(eps))
        return found if config.rho is None else found.clamp(_NEAR * config.rho, FAR * config.rho)

    def exponents(self, eps: Tensor | float, potentials: Tensor | None = None) -> Tensor:
        """Return ``log mass_j + (potential_j - C_ij) / eps`` (M, P, B, N), far below all others where there is no mass."""
        weights, inverse = self.log_masses, 1 / eps
        if potentials is not None:  # those of (x, y) and (y, x) read each other, the others themselves
            weights = weights + torch.cat([potentials[:2].flip(0), potentials[2:]]) * inverse
        weights = torch.where(self.present, weights, NOTHING)
        return weights.movedim(-1, 0)[..., None] - self.costs * inverse

    def anneal(self, diameter: Tensor) -> Tensor:
        """Return potentials (P, B, N) after one averaged step at each eps from ``diameter^p`` (B,) down to ``blur^p``.

        Each problem walks its own schedule; one whose schedule has ended keeps its potentials.
        """
        schedule, lengths = epsilons(diameter, self.config)
        potentials = self.softmin(schedule[:, :1])
        for step in range(schedule.shape[1]):
            following = (potentials + self.softmin(schedule[:, step : step + 1], potentials)) / 2
            potentials = torch.where((step < lengths)[:, None], following, potentials)
        return potentials


def epsilons(diameter: Tensor, config: TransportConfig) -> tuple[Tensor, Tensor]:
    """Return the schedule (B, steps) of eps, and how many steps (B,) each problem takes before it stops.

    ``diameter^p``, then ``(diameter scaling^t)^p`` for t = 0, 1, ... while that is above ``blur^p``, then ``blur^p``. From a
    diameter below ``blur``, as where all points are one, no schedule leads anywhere: it begins at ``reach``.
    """
    start = max(config.blur, config.reach or 0.0)
    top = torch.where(diameter > config.blur, diameter.double(), start)
    inner = torch.ceil((top.log() - math.log(config.blur)) / -math.log(config.scaling)).long()
    steps = torch.arange(int(inner.max()) + 1, device=top.device)
    falling = torch.where(steps < inner[:, None], top[:, None] * config.scaling**steps, config.blur)
    return torch.cat([top[:, None], falling], 1).pow(config.p).to(diameter.dtype), inner + 2
