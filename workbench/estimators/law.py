"""What a plan needs to know of a data requirement: the probability that a size does not suffice, and its gradient.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 3: the least data D* that reaches the
target is a random variable, of one component per data source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from numpy.typing import ArrayLike

from workbench.estimators.search import Array


class RequirementLaw(ABC):
    """The law of the data requirement D* of ``K`` sources, given that what is owned now does not reach the target.

    Attributes:
        present: (K,) samples owned of each source; the law is conditional on their not being enough.
        q_max: (K,) most samples that may ever be owned of each source.
        met: the score owned already reaches the target: there is nothing to plan.
    """

    present: Array
    q_max: Array
    met: bool = False

    @property
    def sources(self) -> int:
        """The number K of data sources."""
        return len(self.present)

    @property
    def p_unreachable(self) -> float:
        """The probability that the target is not reached even at ``q_max``: that share of the penalty cannot be avoided."""
        return 0.0 if self.met else float(self.survival(self.q_max))

    @property
    @abstractmethod
    def centre(self) -> Array:
        """(K,) typical finite requirement, above ``present``: a start for a descent, and its unit."""

    @abstractmethod
    def survival(self, points: ArrayLike) -> Array:
        """Return the probability (...) that sizes (..., K), none below ``present``, do not reach the target: 1 at ``present``."""

    @abstractmethod
    def success_gradient(self, points: ArrayLike) -> Array:
        """Return the gradient (..., K) of the probability of success, ``1 - survival``, at sizes (..., K)."""

    @abstractmethod
    def given(self, present: ArrayLike) -> Self:
        """Return the law conditional on sizes ``present`` (K,), none below the present ones, not being enough either."""

    @abstractmethod
    def axes(self, count: int) -> list[Array]:
        """Return, for each source, about ``count`` increasing sizes from ``present`` to ``q_max``, dense where the law is."""
