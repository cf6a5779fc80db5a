"""The Sinkhorn divergence between weighted point sets whose masses may differ, for whole batches at once."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from workbench.distillation._converge import converge as to_convergence
from workbench.distillation._problem import Problems, Sides, TransportConfig


def sinkhorn_divergence(
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
    converge: bool = False,
    diameter: Tensor | float | None = None,
) -> Tensor:
    """Return the unbalanced Sinkhorn divergence of each pair of point sets of a padded batch.

    With ``C_ij = |x_i - y_j|^p / p``, ``eps = blur^p``, ``rho = reach^p`` and ``KL(u | v) = sum u log(u / v) - u + v``::

        OT(a, b) = min over pi >= 0 of  <pi, C> + eps KL(pi | a b^T) + rho KL(pi 1 | a) + rho KL(pi^T 1 | b)
        S(a, b)  = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2 + eps / 2 (sum a - sum b)^2

    A point of mass 0 is padding: sets of any size go into one batch, and an empty set is a row of zeros. Potentials follow one
    averaged step at each eps of a schedule from ``diameter^p`` down to ``blur^p``. At ``scaling`` 0.5, the published setting, they
    are close to, not at, the optimum.

    The gradient is that of the optimum by the envelope theorem: with respect to positions ``sum_j pi_ij dC_ij`` less that of
    OT(a, a), with respect to masses ``(rho + eps) (exp(-f_aa / rho) - exp(-f_ab / rho))``, also of points of mass 0 in a
    set that is not empty. The released code of the paper has the same times ``(rho + eps / 2) / (rho + eps)``, which is 1 - 2e-6
    at its settings.

    Séjourné, Feydy, Vialard, Trouvé, Peyré, "Sinkhorn Divergences for Unbalanced Optimal Transport", 2019; the defaults are
    those of Guo et al., CVPR 2023.

    Args:
        x: (..., n, d), float32 or float64, in the unit of ``blur`` and ``reach``.
        a: (..., n) masses, at least 0; leading sizes are broadcast against those of ``x``.
        y, b: (..., m, d) and (..., m) likewise.
        p: exponent of the cost.
        blur: distance below which points are smeared into one another.
        reach: distance beyond which mass is rather destroyed and created; None where it must all be moved.
        scaling: factor between one blur of the schedule and the next.
        debias: without, return ``OT(a, b)`` itself, which is not 0 between equal sets.
        converge: go on to the optimum, in float64; the result has the dtype of ``x``.
        diameter: where the schedule begins, broadcast to (...); None for the diagonal of the box around both sets of each pair.

    Returns:
        (...), at least 0 at the optimum if debiased and p <= 2.

    Raises:
        TypeError: tensors of other or different dtypes.
        ValueError: shapes that do not fit, positions or masses that are not finite, negative masses, or, without ``reach``,
            pairs whose masses differ by more than a thousandth.

    >>> x, y = torch.tensor([[0.0]]), torch.tensor([[0.3]])
    >>> one = torch.ones(1)
    >>> round(sinkhorn_divergence(x, one, y, one, reach=None).item(), 4)  # 0.3^2 / 2
    0.045
    >>> round(sinkhorn_divergence(x, one, y, 0 * one).item(), 4)  # what has no counterpart costs rho
    0.25
    """
    config = TransportConfig(p, blur, reach, scaling)
    shape, sides, diameter = prepare(x, a, y, b, config, diameter)
    if not shape.numel():
        return x.sum((-1, -2)) + y.sum((-1, -2))  # of no problem
    if converge:
        sides = Sides(sides.points.double(), sides.masses.double())
    problems, potentials = solve(sides, diameter, config, debias, converge)
    last = problems.softmin(config.eps, potentials)
    return _value(last, sides.masses, config).to(x.dtype).reshape(shape)


def joint_diameter(x: Tensor, a: Tensor, y: Tensor, b: Tensor) -> Tensor:
    """Return the diagonal (...) of the box around the points with mass of x (..., n, d) and y (..., m, d); 0 where there is none.

    >>> joint_diameter(torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.tensor([1.0, 0.0]), torch.tensor([[3.0, 4.0]]), torch.ones(1))
    tensor(5.)
    """
    points, present = torch.cat([x, y], -2).detach(), (torch.cat([a, b], -1) > 0)[..., None]
    if not points.shape[-2]:
        return points.new_zeros(points.shape[:-2])
    least = torch.where(present, points, math.inf).amin(-2)
    most = torch.where(present, points, -math.inf).amax(-2)
    return torch.where(most >= least, most - least, 0).norm(dim=-1)


def prepare(
    x: Tensor, a: Tensor, y: Tensor, b: Tensor, config: TransportConfig, diameter: Tensor | float | None
) -> tuple[torch.Size, Sides, Tensor]:
    """Return the batch's shape, and flat and padded sides with the diameter (B,) of each problem, after checking them all."""
    shape = _check(x, a, y, b)
    a, b = a.expand(*shape, a.shape[-1]), b.expand(*shape, b.shape[-1])
    x, y = x.expand(*shape, *x.shape[-2:]), y.expand(*shape, *y.shape[-2:])
    if config.rho is None:
        first, second = a.sum(-1), b.sum(-1)
        if bool(((first - second).abs() > 1e-3 * torch.maximum(first, second)).any()):
            raise ValueError(
                "masses of a and b differ in sum, which reach=None cannot move; scale them, or give a reach"
            )
    if diameter is None:
        diameter = joint_diameter(x, a, y, b)
    diameter = torch.as_tensor(diameter, dtype=x.dtype, device=x.device).expand(shape).reshape(-1)
    if not bool((diameter >= 0).all() & diameter.isfinite().all()):
        raise ValueError("diameter must be at least 0 and finite")
    sides = Sides.pad(*(one.reshape(shape.numel(), *one.shape[len(shape) :]) for one in (x, a, y, b)))
    return shape, sides, diameter


def solve(
    sides: Sides, diameter: Tensor, config: TransportConfig, debias: bool, converge: bool
) -> tuple[Problems, Tensor]:
    """Return the problems, with gradient to the positions, and their potentials (P, B, N), without."""
    problems = sides.problems(config, debias)
    fixed = replace(problems, costs=problems.costs.detach())
    with torch.no_grad():
        diameter = diameter.to(sides.points.dtype)
        return problems, to_convergence(fixed, sides.masses.detach(), diameter) if converge else fixed.anneal(diameter)


def _value(potentials: Tensor, masses: Tensor, config: TransportConfig) -> Tensor:
    """Return the divergence (B,) from potentials (4, B, N), or OT(a, b) from (2, B, N), at masses (2, B, N)."""
    eps, rho, total = config.eps, config.rho, masses.sum(-1)
    debias = len(potentials) == 4
    if rho is None:
        if debias:
            return (masses * (potentials[:2] - potentials[2:])).sum((0, -1))
        return (masses * potentials).sum((0, -1)) - eps * (total.mean(0) - total[0] * total[1])
    both = (total > 0).all(0)[:, None]  # an empty side takes nothing; at 0 its own derivative would be infinite
    kept = torch.exp(-potentials / rho)
    kept = torch.cat([torch.where(both, kept[:2], 0), kept[2:]])
    lost = (kept[2:] if debias else 0) - kept[:2]
    lost = (masses * lost).sum((0, -1))
    # The value takes rho + eps / 2; its derivatives by the masses and by the positions are those of rho + eps.
    value = (rho + eps) * lost - eps / 2 * lost.detach()
    return value if debias else value + rho * total.sum(0) + eps * total[0] * total[1]


def _check(x: Tensor, a: Tensor, y: Tensor, b: Tensor) -> torch.Size:
    kinds = {one.dtype for one in (x, a, y, b)}
    if len(kinds) != 1 or not kinds <= {torch.float32, torch.float64}:
        raise TypeError(f"x, a, y, b must all be float32 or all float64, got {', '.join(sorted(map(str, kinds)))}")
    for names, points, masses in (("x and a", x, a), ("y and b", y, b)):
        if points.ndim < 2 or masses.ndim < 1 or points.shape[-2] != masses.shape[-1]:
            raise ValueError(
                f"{names} must be (..., n, d) and (..., n), got {tuple(points.shape)} and {tuple(masses.shape)}"
            )
        if not bool(points.isfinite().all() & masses.isfinite().all()):
            raise ValueError(
                f"{names} must be finite, got NaN or infinity; give padding a position such as 0, and mass 0"
            )
        if bool((masses < 0).any()):
            raise ValueError(f"the masses of {names} must be at least 0, got {masses.min().item():.3g}")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"x and y must have one dimension, got points of {x.shape[-1]} and of {y.shape[-1]}")
    try:
        return torch.broadcast_shapes(x.shape[:-2], a.shape[:-1], y.shape[:-2], b.shape[:-1])
    except RuntimeError:
        shapes = ", ".join(str(tuple(one.shape)) for one in (x, a, y, b))
        raise ValueError(f"leading sizes of x, a, y, b do not fit together: {shapes}") from None
