"""The table of claims of paper 1: what the abstract says, the paper's numbers, and the numbers measured here."""

from __future__ import annotations

import pandas as pd

from workbench.experiments.latency_pruning import rank_correlations
from workbench.experiments.latency_pruning_methods import HALP, MACS, MAGNITUDE, RANK, REFILL, UNIFORM
from workbench.experiments.results import load_results

COMPARED = (REFILL, RANK, UNIFORM, MAGNITUDE)


def claims(budgets: pd.DataFrame) -> pd.DataFrame:
    """Return the claims beside the measured numbers; the tables of platforms and networks are the stored ones.

    Args:
        budgets: what :func:`workbench.experiments.latency_pruning.measure_budgets` returned, or the stored table.

    Returns:
        Columns ``claim``, ``statement``, ``paper``, ``measured``, ``holds`` (yes, partly or no, by the numbers).
    """
    rows = [_importance(budgets), _table(), _accuracy(budgets), _tuned(budgets), _platforms()]
    return pd.DataFrame(rows, columns=["claim", "statement", "paper", "measured", "holds"])


def _at(budgets: pd.DataFrame, share: float, column: str) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation over the seeds, by method."""
    found = budgets[budgets["share"] == share].groupby("method")[column].agg(["mean", "std"])
    return {str(method): (float(mean), float(spread)) for method, mean, spread in found.itertuples()}


def _importance(budgets: pd.DataFrame) -> tuple[str, ...]:
    kept = {share: _at(budgets, share, "importance") for share in (0.6, 0.4)}
    names = (HALP, REFILL, MACS, RANK, UNIFORM)
    listed = "; ".join(
        f"{share:.0%}: " + ", ".join(f"{name} {found[name][0]:.2f}" for name in names) for share, found in kept.items()
    )
    best = all(found[REFILL][0] >= max(found[name][0] for name in names) for found in kept.values())
    return (
        "C1",
        "A knapsack over the latency budget keeps more importance than cost in MACs, one rank, or equal shares",
        "Pruning is one global allocation of resources under a latency budget",
        f"Share of the importance kept within a latency, simulated platform: {listed}",
        "yes" if best else "no",
    )


def _table() -> tuple[str, ...]:
    networks = load_results("latency_pruning_networks")
    found = rank_correlations(networks)
    whole, some = networks[networks["network"] == 0].iloc[0], networks[networks["network"] > 0]
    gain = (whole["measured_ms"] / some["measured_ms"]) / (whole["table_ms"] / some["table_ms"])
    return (
        "C2",
        "A table of convolutions ranks networks by their real latency, better than MACs",
        "Figure 11: reduction by the table against real reduction almost linear",
        f"{len(some)} random networks on one CPU: rank correlation {found['table_ms']:.2f} for the table, {found['macs']:.2f} for "
        f"MACs; measured over foretold speed-up {gain.min():.2f} to {gain.max():.2f}",
        "yes" if found["table_ms"] > found["macs"] and gain.min() >= 0.7 else "no",
    )


def _accuracy(budgets: pd.DataFrame) -> tuple[str, ...]:
    return _compare(budgets, "before", "C3", "Before tuning, statistics renewed, HALP is the most accurate", "-")


def _tuned(budgets: pd.DataFrame) -> tuple[str, ...]:
    paper = "ResNet-50 1.60x faster at +0.3 top-1, ResNet-101 1.90x at -0.2"
    return _compare(
        budgets, "after", "C4", "After one epoch of tuning HALP is at least as accurate as the others", paper
    )


def _compare(budgets: pd.DataFrame, column: str, claim: str, statement: str, paper: str) -> tuple[str, ...]:
    parts, wins = [], []
    for share in (0.6, 0.4):
        found = _at(budgets, share, column)
        listed = ", ".join(f"{name} {found[name][0]:.1f} ± {found[name][1]:.1f}" for name in COMPARED)
        reached = ", ".join(f"{_at(budgets, share, 'reached')[name][0]:.0%}" for name in COMPARED)
        parts.append(f"budget {share:.0%} (reached {reached}): {listed}")
        wins.append(found[REFILL][0] >= max(found[name][0] for name in COMPARED[1:]))
    text = f"Accuracy in %, whole network {budgets['dense'].mean():.1f}; {'; '.join(parts)}"
    return claim, statement, paper, text, "yes" if all(wins) else "partly" if any(wins) else "no"


def _platforms() -> tuple[str, ...]:
    table = load_results("latency_pruning_platforms")
    kept = table.groupby(["run_on", "planned_for"])["importance"].mean().unstack()
    parts = []
    for name in kept.index:
        rest = kept.loc[name].drop(name)
        parts.append(
            f"{name} {kept.loc[name, name]:.2f}, by the others' plans at best {rest.max():.2f}, at worst {rest.min():.2f}"
        )
    wins = sum(kept.loc[name, name] >= kept.loc[name].max() - 1e-9 for name in kept.index)
    return (
        "C6",
        "The plan made for a platform is the best on it",
        "Works over networks and platforms",
        f"Importance kept at half of the latency of four simulated platforms: {'; '.join(parts)}. Best on {wins} of {len(kept)}",
        "yes" if wins == len(kept) else "partly" if wins else "no",
    )
