"""The table of claims of paper 1: what the abstract says, the paper's numbers, and the numbers measured here."""

from __future__ import annotations

import pandas as pd

from workbench.experiments.latency_pruning import rank_correlations
from workbench.experiments.latency_pruning_claims_measured import ablation_claims, detector_claim, measured_claims
from workbench.experiments.latency_pruning_methods import HALP, LAYERS, MACS, MAGNITUDE, RANK, REFILL, UNIFORM
from workbench.experiments.latency_pruning_platforms import EXACT
from workbench.experiments.results import load_results

COMPARED = (REFILL, LAYERS, RANK, UNIFORM, MAGNITUDE)
IN_STEPS = (HALP, *COMPARED)
POINT = 1.0
"""Of accuracy in percent, within which one method counts as no worse than another."""


def claims(budgets: pd.DataFrame) -> pd.DataFrame:
    """Return the claims beside the measured numbers; all tables but that of the budgets are the stored ones.

    Args:
        budgets: what :func:`workbench.experiments.latency_pruning.measure_budgets` returned, or the stored table.

    Returns:
        Columns ``claim``, ``statement``, ``paper``, ``measured``, ``holds`` (yes, partly or no, by the numbers).
    """
    steps = load_results("latency_pruning_steps")
    measured = load_results("latency_pruning_measured")
    rows = [_importance(budgets), _table(), *_accuracies(budgets, steps), *measured_claims(measured)]
    rows += [detector_claim(load_results("latency_pruning_detector")), _platforms()]
    rows += ablation_claims(load_results("latency_pruning_ablations"))
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


def _accuracies(budgets: pd.DataFrame, steps: pd.DataFrame) -> list[tuple[str, ...]]:
    paper = "ResNet-50 1.60x faster at +0.3 top-1, ResNet-101 1.90x at -0.2"
    before = "HALP that keeps every layer is the most accurate before tuning, statistics renewed"
    trained = "HALP that keeps every layer is the most accurate when all methods are trained alike between the steps"
    after = f"After one epoch of tuning HALP that keeps every layer is within {POINT:g} point of the best other method"
    return [
        ("C3", before, "-", *_compare(budgets, "before", COMPARED, 0.0)),
        ("C3 in steps", trained, "-", *_compare(steps, "before", IN_STEPS, 0.0)),
        ("C4", after, paper, *_compare(budgets, "after", COMPARED, POINT)),
        ("C4 in steps", after, paper, *_compare(steps, "after", IN_STEPS, POINT)),
    ]


def _compare(budgets: pd.DataFrame, column: str, methods: tuple[str, ...], slack: float) -> tuple[str, str]:
    parts, wins = [], []
    for share in (0.6, 0.4):
        found, reached = _at(budgets, share, column), _at(budgets, share, "reached")
        listed = ", ".join(f"{name} {found[name][0]:.1f} ± {found[name][1]:.1f}" for name in methods)
        parts.append(
            f"budget {share:.0%} (reached {', '.join(f'{reached[name][0]:.0%}' for name in methods)}): {listed}"
        )
        wins.append(found[LAYERS][0] + slack >= max(found[name][0] for name in (RANK, UNIFORM, MAGNITUDE)))
    text = f"Accuracy in %, whole network {budgets['dense'].mean():.1f}; {'; '.join(parts)}"
    return text, "yes" if all(wins) else "partly" if any(wins) else "no"


def _platforms() -> tuple[str, ...]:
    table, parts, wins = load_results("latency_pruning_platforms"), [], {}
    for solver, part in table.groupby("solver"):
        latency = part.groupby(["run_on", "planned_for"])["latency"].mean().unstack()
        own = {name: latency.loc[name, name] for name in latency.index}
        rest = {name: latency.loc[name].drop(name) for name in latency.index}
        wins[solver] = sum(own[name] <= rest[name].min() * (1 + 1e-9) for name in own)
        listed = ", ".join(f"{name} {own[name]:.2f} ({rest[name].min():.2f} to {rest[name].max():.2f})" for name in own)
        parts.append(f"{solver}: {listed}, own plan fastest on {wins[solver]} of {len(own)}")
    count = table["run_on"].nunique()
    return (
        "C6",
        "The plan made for a platform is the fastest on it",
        "Works over networks and platforms",
        "Share of the latency at 80 % of the importance on four simulated platforms, own plan (plans of the others): "
        + "; ".join(parts),
        "yes" if min(wins.values()) == count else "partly" if wins[EXACT] == count else "no",
    )
