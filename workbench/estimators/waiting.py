"""What it is worth to be able to wait and look: the least expected cost against the number of rounds.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, problem (4).
"""

from __future__ import annotations

import numpy as np

from workbench.estimators.dynamic_programme import best_next
from workbench.estimators.planning import plan
from workbench.estimators.requirement_distribution import RequirementDistribution
from workbench.estimators.search import Array

_GRID = 2400


def cost_by_rounds(
    law: RequirementDistribution, size: float, *, cost: float, penalty: float, rounds: int
) -> tuple[Array, Array]:
    """Return the least expected costs (rounds,) of having 1, 2, ... rounds, and the chances (rounds,) of success.

    One pass backwards gives all of them, since after its first order a plan for ``T`` rounds is one for ``T - 1``:
    ``J_0(q) = P S(q)`` and ``J_t(q) = min_{q' >= q} c (q' - q) S(q) + J_{t-1}(q')``.  The sizes lie on a grid,
    which leaves an error of about 0.1 %.

    Args:
        law: of the requirement; it is cut at ``size``.
        size: samples owned now.
        cost: of a sample.
        penalty: of not reaching the target by the last round.
        rounds: most rounds.

    >>> from scipy import stats
    >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000))
    >>> costs, chances = cost_by_rounds(law, 1_000, cost=1, penalty=1e6, rounds=4)
    >>> costs.shape, bool((np.diff(costs) < 0).all()), bool((chances > 0.999).all())
    ((4,), True, True)
    """
    once = plan(law, size, cost=cost, penalty=penalty, rounds=1, whole=False)
    law = law.given(size)
    grid = np.unique(np.append(law.axes(_GRID)[0], once.sizes))
    missed, bill = law.sf(grid), cost * (grid - grid[0])
    missed[0] = 0.0 if law.met else 1.0
    value, chance, costs, chances = penalty * missed, 1.0 - missed, [], []
    for _ in range(rounds):
        best, least = best_next(grid[:, None], missed, bill, value)
        value, chance = least - bill * missed, chance[best]
        costs.append(value[0])
        chances.append(chance[0])
    return np.array(costs), np.array(chances)
