"""The transport plan behind a divergence, and what its cost is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.distillation._problem import Sides, TransportConfig
from workbench.distillation.sinkhorn import prepare, solve


@dataclass(frozen=True, eq=False)
class TransportPlan:
    """How the mass of each x moves to each y, float64, without gradient.

    Attributes:
        plan: (..., n, m), the mass that goes from ``x_i`` to ``y_j``.
        destroyed: (..., n), mass of ``x_i`` that goes nowhere; negative where more leaves than there was.
        created: (..., m), mass of ``y_j`` that comes from nowhere.
        transport: (...), ``<pi, C>`` of the divergence: that of OT(a, b) less half of that of OT(a, a) and of OT(b, b).
        mass: (...), ``rho KL(pi 1 | a) + rho KL(pi^T 1 | b)`` likewise, and ``eps / 2 (sum a - sum b)^2``.
        entropy: (...), ``eps KL(pi | a b^T)`` likewise.
    """

    plan: Tensor
    destroyed: Tensor
    created: Tensor
    transport: Tensor
    mass: Tensor
    entropy: Tensor

    @property
    def value(self) -> Tensor:
        """Return the sum of the three parts (...), which at the optimum is the divergence."""
        return self.transport + self.mass + self.entropy


@torch.no_grad()
def transport_plan(
    x: Tensor,
    a: Tensor,
    y: Tensor,
    b: Tensor,
    *,
    p: float = 2,
    blur: float = 1e-3,
    reach: float | None = 0.5,
    scaling: float = 0.5,
    debias: bool = True,
    converge: bool = True,
    diameter: Tensor | float | None = None,
) -> TransportPlan:
    """Return the plan ``pi_ij = a_i b_j exp((f_i + g_j - C_ij) / eps)`` and the parts of its cost.

    Arguments and errors are those of :func:`~workbench.distillation.sinkhorn.sinkhorn_divergence`, but that it goes on to the
    optimum unless told otherwise: only there do the parts sum to the divergence.

    >>> both = torch.tensor([[0.0], [1.0]])
    >>> found = transport_plan(both, torch.tensor([1.0, 0.5]), both.flip(0), torch.tensor([0.5, 1.0]))
    >>> found.plan.round(decimals=3)
    tensor([[0.0000, 1.0000],
            [0.5000, 0.0000]], dtype=torch.float64)
    """
    config = TransportConfig(p, blur, reach, scaling)
    shape, sides, diameter = prepare(x, a, y, b, config, diameter)
    sides = Sides(sides.points.double(), sides.masses.double())
    problems, potentials = solve(sides, diameter, config, debias, converge)
    first = problems.softmin(config.eps, potentials)
    others = torch.stack([potentials[1], *potentials[2:]])  # what the rows' new potentials were computed from
    exponents = (torch.stack([first[0], *first[2:]])[..., None] + others[..., None, :]) / config.eps
    rows, columns = ([0, 0, 1], [1, 0, 1]) if debias else ([0], [1])
    a_i, b_j = sides.masses[rows][..., :, None], sides.masses[columns][..., None, :]
    costs = problems.costs.movedim(0, -1)[[0, 2, 3] if debias else [0]]
    logarithms = torch.where((a_i > 0) & (b_j > 0), exponents - costs / config.eps, -torch.inf)
    plans = a_i * b_j * logarithms.exp()
    terms = _parts(plans, logarithms, costs, a_i[..., 0], b_j[..., 0, :], config)
    share = torch.tensor([1.0, -0.5, -0.5], dtype=plans.dtype, device=plans.device)[: len(plans), None]
    transport, mass, entropy = ((share * term).sum(0).reshape(shape) for term in terms)
    if debias:
        total = sides.masses.sum(-1)
        mass = mass + (config.eps / 2 * (total[0] - total[1]) ** 2).reshape(shape)
    plan = plans[0, :, : x.shape[-2], : y.shape[-2]].reshape(*shape, x.shape[-2], y.shape[-2])
    return TransportPlan(plan, a.double() - plan.sum(-1), b.double() - plan.sum(-2), transport, mass, entropy)


def _parts(
    plans: Tensor, logarithms: Tensor, costs: Tensor, a: Tensor, b: Tensor, config: TransportConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Return transport, mass and entropy (P, B) of plans (P, B, N, N), their ``log(pi / a b^T)`` and masses (P, B, N)."""
    transport = (plans * costs).sum((-1, -2))
    relative = torch.where(plans > 0, plans * logarithms, 0).sum((-1, -2))
    entropy = config.eps * (relative - plans.sum((-1, -2)) + a.sum(-1) * b.sum(-1))
    if config.rho is None:
        return transport, torch.zeros_like(transport), entropy
    mass = config.rho * (_divergence(plans.sum(-1), a) + _divergence(plans.sum(-2), b))
    return transport, mass, entropy


def _divergence(mass: Tensor, reference: Tensor) -> Tensor:
    """Return ``KL(mass | reference)`` over the last axis."""
    return (torch.xlogy(mass, mass) - torch.xlogy(mass, reference) - mass + reference).sum(-1)
