"""What notebook 02 says in words and tables: the next order, what a risk means, the claims, and the runs that measure them anew."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from workbench.estimators import CampaignLog, CollectionPlan, LocPolicy
from workbench.estimators.one_round import ImpliedPenalty
from workbench.estimators.requirement_distribution import KernelDistribution, RequirementDistribution
from workbench.experiments.optimal_collection import FULL, OptimalCollectionConfig, play_table_1, run
from workbench.experiments.optimal_collection_claims import claims
from workbench.experiments.results import load_results
from workbench.panels.claims import MeasuredClaims
from workbench.panels.optimal_collection_campaign import money, percent
from workbench.panels.run import RunPanel
from workbench.training.progress import CancelToken, Progress

FEW = 5
"""Distinct answers below which a bootstrap says nothing of the spread."""


def order_sentence(best: CollectionPlan, law: RequirementDistribution, penalty: float) -> str:
    """Return what to do now, in one or two sentences.

    >>> from scipy import stats
    >>> from workbench.estimators import plan
    >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000)).given(1_000)
    >>> order_sentence(plan(law, 1_000, cost=1, penalty=1e6, rounds=1), law, 1e6)
    'Order 12,461 samples now (99.97 % chance that they suffice); expected bill 12,461, and 269 of expected penalty.'
    >>> order_sentence(plan(law, 1_000, cost=1, penalty=5e3, rounds=1), law, 5e3)
    'Give up: missing the target costs 5,000, and collecting is expected to cost more. Order nothing, or, if missing ... well.'
    """
    if best.status == "met":
        return "The target is met already: order nothing, or set a higher target."
    if best.status == "unreachable":
        return (
            f"Out of reach: no resampled curve reaches the target with {float(law.q_max[0]):,.0f} samples, the most that may be "
            "owned. Lower the target, raise the limit, or choose a family that does not saturate."
        )
    if best.status == "give up":
        return (
            f"Give up: missing the target costs {money(penalty)}, and collecting is expected to cost more. Order nothing, or, if "
            "missing is really worse than that, raise the penalty; cheaper samples, more rounds or a lower target help as well."
        )
    fine = penalty * (1 - best.success_probability)
    first, count = float(law.cdf(best.sizes[0])), int((best.orders > 0).sum())
    later = f"; {percent(best.success_probability)} within {count} rounds" if count > 1 else ""
    return (
        f"Order {best.orders[0]:,.0f} samples now ({percent(first)} chance that they suffice{later}); "
        f"expected bill {money(best.expected_cost - fine)}, and {money(fine)} of expected penalty."
    )


def answer_html(
    best: CollectionPlan, law: KernelDistribution, penalty: float, break_even: float, regression: float
) -> str:
    """Return the answer above the tabs: what to do now, and what speaks against it.

    Args:
        best: the plan.
        law: of the requirement.
        penalty: of missing the target.
        break_even: the penalty from which one order alone is worth it.
        regression: what one fitted curve asks for.
    """
    lines = [f"<b>{html.escape(order_sentence(best, law, penalty))}</b>"]
    if best.status in ("collect", "give up") and np.isfinite(break_even):
        worth = "is" if penalty > break_even else "is not"
        fitted = f"asks for {regression:,.0f} samples in all" if np.isfinite(regression) else "never reaches the target"
        lines.append(
            f"One order alone {worth} worth it: it pays from a penalty of {money(break_even)} on. One fitted curve {fitted}."
        )
    if best.status == "collect" and law.p_unreachable > 1e-4:
        lines.append(
            f"Take care: with probability {percent(law.p_unreachable)} not even {float(law.q_max[0]):,.0f} samples, the most that "
            "may be owned, reach the target; that share of the penalty no order avoids."
        )
    contradicted = float(np.mean(law.requirements <= law.present[0]))
    if contradicted > 0.5 and not law.met:
        lines.append(
            f"Take care: {percent(contradicted)} of the resampled fits say that the target is met already, and the last score "
            "says that it is not; the law rests on the few that are left."
        )
    distinct = len(np.unique(law.requirements))
    if distinct < FEW and not law.met:
        lines.append(
            f"Take care: so few sizes are measured that the resampled fits give only {distinct} answer(s), and the width of the "
            "law is its smoothing. Measure more subsets, or allow 3 distinct sizes in view 5."
        )
    return "<div style='line-height:1.6;max-width:75em'>" + "<br>".join(lines) + "</div>"


def risk_html(
    dial: ImpliedPenalty, law: RequirementDistribution, penalty: float, once: CollectionPlan, wrong: float
) -> str:
    """Return what the dialled risk means, in words.

    Args:
        dial: the risk, its order and the penalty it implies.
        law: of the requirement.
        penalty: that the person has set.
        once: the plan for one round under that penalty.
        wrong: size of the newsvendor's order for the implied penalty.
    """
    if law.met:
        return "The target is met already: there is no risk to choose."
    if dial.verdict == "beyond the cap":
        lines = [
            f"A risk of {percent(dial.risk)} is out of reach: {float(law.q_max[0]):,.0f} samples, the most that may be owned, "
            f"still miss the target with {percent(law.p_unreachable)}."
        ]
    else:
        lines = [
            f"Accepting a risk of <b>{percent(dial.risk)}</b> means owning <b>{dial.size:,.0f}</b> samples "
            f"({dial.size - float(law.present[0]):,.0f} more). " + _verdict(dial)
        ]
        at = f"{wrong:,.0f} samples" if np.isfinite(wrong) else "more than may be owned"
        lines.append(
            f"For that P the newsvendor's rule F = 1 − c/P asks for {at}. <b>It is wrong here</b>: it charges P for every missing "
            "sample, but a miss costs P once, however large it is. The right condition is f = c/P."
        )
    lines.append(
        f"Your own penalty of {money(penalty)} implies a risk of {percent(1 - once.success_probability)} with one order."
    )
    return "<div style='line-height:1.6;max-width:75em'>" + "<br>".join(lines) + "</div>"


def _verdict(dial: ImpliedPenalty) -> str:
    if dial.verdict == "optimal":
        return (
            f"It is the best single order exactly when missing the target costs <b>P = c/f = {money(dial.penalty)}</b>."
        )
    why = {
        "rising": "here the density still rises, so that the next sample is worth more than this one",
        "give up": f"the only candidate is P = c/f = {money(dial.penalty)}, and then ordering nothing is cheaper",
        "another size": (
            f"the only candidate is P = c/f = {money(dial.penalty)}, and then owning {dial.best_size:,.0f} is cheaper "
            f"({money(dial.best_cost)} instead of {money(dial.expected_cost)})"
        ),
    }
    return f"<b>No penalty makes it the best order</b>: {why[dial.verdict]}."


def log_sentence(log: CampaignLog, policy: LocPolicy) -> tuple[str, str]:
    """Return how a campaign stands and its next order, and the level at which to say it."""
    owned, spent = float(log.sizes[-1, 0]), money(float(log.paid.sum()))
    done = f"{log.rounds[-1]:.0f} of {log.problem.rounds} rounds done, {owned:,.0f} samples, score {log.scores[-1]:g}, {spent} paid"
    if log.status != "open":
        words = {"met": "the target is met", "missed": "no round is left and the target was missed"}
        return f"{done}: {words[log.status]}.", "good" if log.status == "met" else "warning"
    decision = log.decide(policy)
    sentence = order_sentence(decision.plan, decision.law, log.problem.penalty)
    return f"{done}. {sentence}", "good" if decision.plan.status == "collect" else "warning"


class ClaimsTable(MeasuredClaims):
    """The claims of paper 2 beside the numbers measured here, from the stored results until newer ones are shown.

    >>> "Table 1" in ClaimsTable().value
    True
    """

    results = "optimal_collection"
    judge = staticmethod(claims)


RUN_TABLE = "Play Table 1 again, every third target (about 20 s)"
RUN_CLAIMS = "Re-measure every claim (about 15 min)"


def run_panel(table: ClaimsTable, show_games: Callable[[pd.DataFrame], None]) -> RunPanel:
    """Return the panel of section "Run it for real": what it measures replaces the stored numbers.

    Args:
        table: shows the claims that were measured anew.
        show_games: takes the campaigns of Table 1, such as ``OptimalCollectionPanel.show_games``.
    """
    played: list[pd.DataFrame] = []

    def measure(config: OptimalCollectionConfig, progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        played[:] = [play_table_1(config, progress, cancel)]
        return run(config, progress, cancel, games=played[0])

    def done(label: str, result: pd.DataFrame) -> None:
        when = "measured just now"
        if label == RUN_TABLE:
            result, when = with_stored(result), "Table 1 and C1 measured just now, the rest stored"
        table.show_results(result, when)
        show_games(played[0])

    some = OptimalCollectionConfig(every=3, seeds=(0,), robustness=False, real=False)
    runs = {RUN_TABLE: some, RUN_CLAIMS: FULL}
    return RunPanel(
        {label: partial(measure, config) for label, config in runs.items()}, done, key="run optimal collection"
    )


def with_stored(results: pd.DataFrame) -> pd.DataFrame:
    """Return measured results, and the stored ones of every claim that they leave out."""
    stored = load_results("optimal_collection")
    return pd.concat([results, stored[~stored["claim"].isin(set(results["claim"]))]], ignore_index=True)
