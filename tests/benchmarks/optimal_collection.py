"""Optimal collection: its bootstrap, its solver, its closed-form law and its whole reproduction, beside how else it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from scipy.integrate import cumulative_trapezoid
from sklearn.neighbors import KernelDensity

from workbench.estimators import LocPolicy, PowerLaw, RequirementDistribution, plan
from workbench.estimators.requirement import _bootstrap_coefficients, bootstrap_counts, rank_weights
from workbench.estimators.requirement_distribution import KernelDistribution
from workbench.estimators.search import Array
from workbench.experiments.optimal_collection import OptimalCollectionConfig, play_table_1
from workbench.experiments.optimal_collection_paper import PENALTIES, ROUNDS
from workbench.experiments.tasks import load_task

from .how_much_data import descend_each, percent, power
from .side_by_side import BenchmarkConfig, Comparison, Timing, side_by_side

TARGET = 60.0
RATES = (0.005, 0.05, 0.5, 5.0, 50.0, 500.0)
"""Learning rates of the softplus descents, over the range of the paper's Table 5, for each of momentum and Adam."""

STEPS = 300


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    for points in (5, 9):  # before the first order, and after four
        yield bootstrap_fits(points, config)
    yield closed_form(config)
    few = replace(config, repeats=min(config.repeats, 2))
    for name, law in laws(config).items():
        for rounds in ROUNDS:
            yield exact_plan(name, law, rounds, few)
    yield from slider_answers(config)
    yield table_1(OptimalCollectionConfig(seeds=(config.seed,)))


def laws(config: BenchmarkConfig) -> dict[str, KernelDistribution]:
    """Return the first law of a published curve, and one of a few far and improbable answers beside many near ones."""
    task, rng = load_task("CIFAR-100"), np.random.default_rng(config.seed)
    start, scores = task.start_sizes, task.oracle.score(task.start_sizes)
    learned = RequirementDistribution.from_curve(start, scores, TARGET, n_boot=config.resamples, seed=config.seed)
    tail = task.initial_size * (1 + rng.pareto(0.8, config.resamples))
    return {
        "CIFAR-100 to 60 %": learned,
        "heavy tail": KernelDistribution([tail], task.initial_size, 20 * task.initial_size, None, config.seed),
    }


def bootstrap_fits(points: int, config: BenchmarkConfig) -> Comparison:
    """Fit the resamples that LOC draws from the first points of CIFAR-100: weights doubling, at least four distinct sizes.

    The peer is helped as in :func:`tests.benchmarks.how_much_data.bootstrap_fits`.
    """
    oracle = load_task("CIFAR-100").oracle
    sizes, scores = oracle.sizes[:points], oracle.scores[:points]
    counts = bootstrap_counts(sizes, config.resamples, np.random.default_rng(config.seed), min_distinct=4)
    ranks, unit = rank_weights("doubling", len(sizes)), np.exp(np.log(sizes).mean())
    weights = counts * ranks

    def ours() -> Array:
        return PowerLaw.fit_batch(sizes, np.broadcast_to(scores, counts.shape), weights)

    fits, theirs, timing = side_by_side(ours, lambda: descend_each(sizes / unit, scores, counts, ranks), config.repeats)
    our_error = (weights * (PowerLaw.evaluate(fits, sizes[None]) - scores) ** 2).sum(1)
    their_error = (weights * (power(sizes / unit, *theirs.T[..., None]) - scores) ** 2).sum(1)
    inside = (
        np.isfinite(their_error) & (theirs[:, 0] > 0) & (theirs[:, 1] >= 0) & (theirs[:, 1] <= PowerLaw.exponents[-1])
    )
    exact = 1e-12 * (weights * (scores - scores.mean()) ** 2).sum(1)
    no_worse = our_error <= their_error * (1 + 1e-6) + exact
    return Comparison(
        subject=f"{config.resamples} bootstrap fits as LOC draws them",
        ours="PowerLaw.fit_batch",
        peer="loop of scipy.optimize.curve_fit",
        setting=f"CIFAR-100, first {points} points, doubling weights, 4 distinct sizes, CPU seconds",
        timing=timing,
        agreement=(
            f"curve_fit converged on {percent(np.isfinite(their_error))}, to an exponent in [0, 1.5] on {percent(inside)}; "
            f"there our squared error is no greater on {percent(no_worse[inside])}; "
            f"{len(np.unique(counts, axis=0))} of the resamples are distinct, and ours fits each once"
        ),
    )


def closed_form(config: BenchmarkConfig) -> Comparison:
    """Evaluate F at 2 001 sizes: as a sum of normal laws, and by summing scikit-learn's density with trapezoids between them."""
    law = laws(config)["CIFAR-100 to 60 %"]
    width = law.bandwidth
    low, high = law.kernels.atoms[0] - 8 * width, law.kernels.atoms[-1] + 8 * width
    estimate = KernelDensity(bandwidth=width, rtol=1e-10).fit(
        law.kernels.atoms[:, None], sample_weight=law.kernels.weights
    )

    def integral(count: int) -> Array:
        grid = np.linspace(low, high, count)
        return cumulative_trapezoid(np.exp(estimate.score_samples(grid[:, None])), grid, initial=0.0)

    grid = np.linspace(low, high, 2_001)
    ours, theirs, timing = side_by_side(lambda: 1 - law.kernels.sf(grid), lambda: integral(2_001), config.repeats)
    fine = integral(40_001)[::20]
    return Comparison(
        subject="distribution function of the kernel law at 2 001 sizes",
        ours="KernelMixture.sf",
        peer="sklearn KernelDensity and the trapezoid rule",
        setting=f"{len(law.kernels.atoms)} kernels, CPU seconds",
        timing=timing,
        agreement=(
            f"largest difference of F {np.abs(ours - theirs).max():.1e}, and {np.abs(ours - fine).max():.1e} when the peer takes "
            f"20 times as many points; survival at the last size: ours {law.kernels.sf(grid[-1]):.0e}, "
            f"the peer's 1 - F {1 - theirs[-1]:.0e}"
        ),
    )


def exact_plan(name: str, law: KernelDistribution, rounds: int, config: BenchmarkConfig) -> Comparison:
    """Solve one collection problem: exactly, and by the paper's sweep of softplus descents in PyTorch."""
    start, penalty = float(law.present[0]), PENALTIES["CIFAR-100"]

    def solve(solver: str) -> float:
        facts = {"cost": 1.0, "penalty": penalty, "rounds": rounds}
        return plan(law, start, **facts, whole=False, solver=solver).expected_cost

    exact, theirs, timing = side_by_side(
        lambda: solve("dp"), lambda: softplus_sweep(law, penalty, rounds), config.repeats
    )
    started = time.process_time()
    scaled = solve("gradient")
    seconds = time.process_time() - started
    return Comparison(
        subject="one plan of least expected cost",
        ours="plan(solver='dp')",
        peer="softplus descents in torch, 12 configurations of 300 steps",
        setting=f"{name}, T={rounds}, CPU seconds",
        timing=timing,
        agreement=(
            f"expected cost {exact:.8g}; the peer's is {_excess(theirs, exact)} dearer; plan(solver='gradient'), all runs at once "
            f"in scaled sizes, takes {seconds:.2f} s and is {_excess(scaled, exact)} dearer"
        ),
    )


def softplus_sweep(law: KernelDistribution, penalty: float, rounds: int, steps: int = STEPS) -> float:
    """Return the least expected cost that the paper's solver meets: section 2.2 to the letter, in samples.

    ``d_t = softplus(x_t)``; the first order reaches the centre of the law and order ``s + 1`` is ``1 / (s + 1)`` of it; gradient
    descent with momentum 0.9 and Adam, each at the rates of :data:`RATES`; the best objective is kept.
    """
    at_present = float(law.kernels.sf(law.present)[0])
    atoms, weights, widths = (
        torch.tensor(values) for values in (law.kernels.atoms, law.kernels.weights, law.kernels.bandwidths)
    )
    present, room = float(law.present[0]), float(law.q_max[0] - law.present[0])
    first = torch.tensor((float(law.centre[0]) - present) / np.arange(1, rounds + 1))

    def cost(x: torch.Tensor) -> torch.Tensor:
        sizes = present + torch.nn.functional.softplus(x).cumsum(0).clamp(max=room)
        missed = torch.special.ndtr((atoms - sizes[:, None]) / widths) @ weights + law.kernels.p_infinite
        missed = torch.cat([torch.ones(1, dtype=x.dtype), missed / at_present])
        steps_taken = torch.diff(sizes, prepend=torch.full((1,), present, dtype=x.dtype))
        return (steps_taken * missed[:-1]).sum() + penalty * missed[-1]

    best = penalty  # ordering nothing
    for rate in RATES:
        for make in (
            lambda x, rate=rate: torch.optim.SGD([x], rate, momentum=0.9),
            lambda x, rate=rate: torch.optim.Adam([x], rate),
        ):
            x = torch.where(first > 30, first, torch.log(torch.expm1(first))).requires_grad_()
            optimiser = make(x)
            for _ in range(steps):
                optimiser.zero_grad()
                value = cost(x)
                value.backward()
                best = min(best, float(value.detach())) if torch.isfinite(value) else best
                optimiser.step()
    return best


def slider_answers(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Time what one move of a slider computes: of the penalty, of the target, and of what changes the resamples."""
    task, policy = load_task("CIFAR-100"), LocPolicy(n_boot=config.resamples)
    start, scores = task.start_sizes, task.oracle.score(task.start_sizes)

    def law(target: float, seed: int = 0) -> KernelDistribution:
        return RequirementDistribution.from_curve(start, scores, target, n_boot=policy.n_boot, seed=seed)

    def answer(known: KernelDistribution, penalty: float = 1e7) -> None:
        plan(known, start[-1], cost=1.0, penalty=penalty, rounds=5)

    known = law(60.0)
    moves: dict[str, Callable[[int], None]] = {
        "the penalty (law known)": lambda step: answer(known, 1e6 * (1 + step)),
        "the target (fits known)": lambda step: answer(law(50.0 + step % 20)),
        "the seed (nothing known)": lambda step: answer(law(60.0, 1_000 + step)),
    }
    for label, move in moves.items():
        seconds = []
        for step in range(2 + 4 * config.repeats):
            began = time.perf_counter()
            move(step)
            seconds.append(time.perf_counter() - began)
        yield Comparison(
            subject="answer to one move of a slider",
            ours="from_curve and plan, T=5",
            peer="none",
            setting=f"CIFAR-100, {config.resamples} resamples, {label}, wall seconds",
            timing=Timing(float(np.median(seconds[2:])), *[float("nan")] * 4),
            agreement=f"slowest of {len(seconds) - 2}: {max(seconds[2:]):.3f} s",
        )


def table_1(config: OptimalCollectionConfig) -> Comparison:
    """Play the campaigns of Table 1 and Figure 2 from nothing: every task, horizon, target and policy, one seed."""
    _bootstrap_coefficients.cache_clear()
    wall, cpu = time.perf_counter(), time.process_time()
    games = play_table_1(config)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Comparison(
        subject="campaigns of Table 1 and Figure 2 of LOC",
        ours="experiments.optimal_collection.play_table_1",
        peer="none",
        setting=f"{len(config.tasks)} curves, {len(config.seeds)} seed, wall seconds",
        timing=Timing(wall, *[float("nan")] * 4),
        agreement=f"{len(games)} campaigns of {games['policy'].nunique()} policies; {cpu:.1f} CPU seconds",
    )


def _excess(value: float, least: float) -> str:
    share = 100 * (value / least - 1)
    return f"{share:.2g} %" if abs(share) > 1e-9 else "0 %"
