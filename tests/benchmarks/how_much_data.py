"""How much data: bootstrap fits beside SciPy's ``curve_fit``, four functions beside ``learning-curves``, the whole reproduction."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np
from scipy.optimize import curve_fit
from sklearn.metrics import r2_score

from workbench.estimators import CURVES, PUBLISHED_FAMILY, PowerLaw
from workbench.estimators.requirement import bootstrap_counts
from workbench.estimators.search import Array
from workbench.experiments import how_much_data as experiment

from .side_by_side import BenchmarkConfig, Comparison, Timing, side_by_side

BOOTSTRAPS = (("CIFAR-10", 5, 92), ("ImageNet", 4, 67), ("CIFAR-10", None, 96), ("ImageNet", None, 75))
"""Published curve, number of its first points (``None`` for all), and the target asked for."""

GOOD = 0.9
"""R² above which a fit describes its points."""

HOW_TO_INSTALL = (
    "its rows are left out; `make bench` installs it, or `uv pip install --no-deps -r tests/benchmarks/peers.txt` does"
)


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    for name, points, target in BOOTSTRAPS:
        yield bootstrap_fits(name, points, target, config)
    yield from four_functions(config)
    yield from reproduction()


def bootstrap_fits(name: str, points: int | None, target: float, config: BenchmarkConfig) -> Comparison:
    """Fit ``t1 n^t2 + t3`` to every resample of a curve: all at once, and by a loop of Levenberg-Marquardt descents.

    The peer is helped: it sees ``n`` in units of the curve's geometric mean size and starts at the least-squares fit of
    exponent 0.5 to all points.  Its limit of function evaluations is its own default.
    """
    oracle = experiment.load_task(name).oracle
    sizes, scores = oracle.sizes[:points], oracle.scores[:points]
    counts = bootstrap_counts(sizes, config.resamples, np.random.default_rng(config.seed))
    unit = np.exp(np.log(sizes).mean())

    def ours() -> Array:
        return PowerLaw.fit_batch(sizes, np.broadcast_to(scores, counts.shape), counts)

    coefficients, theirs, timing = side_by_side(
        ours, lambda: descend_each(sizes / unit, scores, counts), config.repeats
    )
    our_error = (counts * (PowerLaw.evaluate(coefficients, sizes[None]) - scores) ** 2).sum(1)
    their_error = (counts * (power(sizes / unit, *theirs.T[..., None]) - scores) ** 2).sum(1)
    mean = (counts @ scores / counts.sum(1))[:, None]
    exact = 1e-12 * (counts * (scores - mean) ** 2).sum(1)  # three distinct sizes interpolate: both errors are rounding
    no_worse = our_error <= their_error * (1 + 1e-6) + exact
    converged = np.isfinite(their_error)
    comparable = converged & (theirs[:, 0] > 0) & (theirs[:, 1] >= 0) & (theirs[:, 1] <= PowerLaw.exponents[-1])
    need = PowerLaw.invert(coefficients, np.full(len(counts), float(target)))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        difference = np.abs(unit * ((target - theirs[:, 2]) / theirs[:, 0]) ** (1 / theirs[:, 1]) / need - 1)
    return Comparison(
        subject=f"{config.resamples} bootstrap power fits",
        ours="PowerLaw.fit_batch",
        peer="loop of scipy.optimize.curve_fit",
        setting=f"{name}, {'first ' if points else ''}{len(sizes)} points, CPU seconds",
        timing=timing,
        agreement=(
            f"curve_fit converged on {percent(converged)}, to an exponent in [0, 1.5] on {percent(comparable)}; there our "
            f"squared error is no greater on {percent(no_worse[comparable])} and the sizes for {target} % differ by at most "
            f"{difference[comparable].max(initial=0.0):.1e}; of all that converged no greater on "
            f"{percent(no_worse[converged])}; {percent((counts > 0).sum(1) == 3)} of the resamples interpolate exactly"
        ),
    )


def four_functions(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Fit four functions to each of the six published curves, on both scales of a score: the peer's starts suit neither alone."""
    try:
        with warnings.catch_warnings(action="ignore"):
            from learning_curves.learning_curves import LearningCurve
    except ImportError as error:
        print(f"learning-curves cannot be imported ({error}): {HOW_TO_INSTALL}")
        return
    for part, scale in (("first", 100), ("first", 1), ("all", 100), ("all", 1)):
        curves = []
        for name, points in experiment.SUBSETS.items():
            oracle = experiment.load_task(name).oracle
            known = points if part == "first" else None
            curves.append((oracle.sizes[:known], oracle.scores[:known] * scale / 100))

        def ours(curves: list[tuple[Array, Array]] = curves, scale: int = scale) -> list[list[float]]:
            return [
                [r2_score(v, CURVES[name](scale).fit(n, v).predict(n)) for name in PUBLISHED_FAMILY] for n, v in curves
            ]

        def peer(curves: list[tuple[Array, Array]] = curves) -> list[tuple[list[float | None], bool]]:
            return [_fit_all(LearningCurve(), n, v) for n, v in curves]

        our_scores, their_answers, timing = side_by_side(ours, peer, config.repeats)
        their_scores = [scores for scores, _ in their_answers]
        yield Comparison(
            subject="four functions on six published curves",
            ours="the published four",
            peer="learning-curves, LearningCurve.fit_all",
            setting=f"{part} points, scores up to {scale}, CPU seconds",
            timing=timing,
            agreement=(
                f"R² > {GOOD}: ours {_count_good(our_scores)}, peer {_count_good(their_scores)}; peer's fits without a score "
                f"(None or NaN): {sum(score is None or bool(np.isnan(score)) for row in their_scores for score in row)}, "
                f"returned with R² < 0.1: {sum(score is not None and score < 0.1 for row in their_scores for score in row)}; "
                f"fit_all raises on {sum(raised for _, raised in their_answers)} curves"
            ),
        )


def reproduction() -> Iterator[Comparison]:
    """Re-measure the published claims from nothing, once without and once with the curves of LCDB."""
    for lcdb in (False, True):
        experiment.task_correction.cache_clear()
        experiment.judge_lcdb.cache_clear()
        wall, cpu = time.perf_counter(), time.process_time()
        table = experiment.run(experiment.HowMuchDataConfig(lcdb=lcdb))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        yield Comparison(
            subject="reproduction of the published claims",
            ours="experiments.how_much_data.run",
            peer="none",
            setting=f"{'with' if lcdb else 'without'} LCDB, wall seconds",
            timing=Timing(wall, *[float("nan")] * 4),
            agreement=f"{len(table)} rows; {cpu:.1f} CPU seconds",
        )


def power(n: Array, t1: Array, t2: Array, t3: Array) -> Array:
    """Return the published form of the power law."""
    return t1 * n**t2 + t3


def descend_each(x: Array, scores: Array, counts: Array, ranks: Array | float = 1.0) -> Array:
    """Return t1, t2, t3 of each resample (B, 3), ``nan`` where the descent does not converge.

    Args:
        x: (m,) sizes in convenient units.
        scores: (m,) scores.
        counts: (B, m) how often each point is drawn.
        ranks: (m,) weights of the points.
    """
    t1, t3 = np.linalg.lstsq(np.stack([np.sqrt(x), np.ones_like(x)], 1), scores)[0]
    fits, deviations = np.full((len(counts), 3), np.nan), np.broadcast_to(ranks, x.shape) ** -0.5
    with warnings.catch_warnings(action="ignore"):
        for row, drawn in enumerate(counts.astype(int)):
            data, sigma = (np.repeat(x, drawn), np.repeat(scores, drawn)), np.repeat(deviations, drawn)
            try:
                fits[row] = curve_fit(power, *data, [t1, 0.5, t3], sigma)[0]
            except RuntimeError:
                continue
    return fits


def _fit_all(curve, sizes: Array, scores: Array) -> tuple[list[float | None], bool]:
    """Return the peer's score of each of its functions, ``None`` where it has none, and whether ``fit_all`` raised."""
    raised = False
    with warnings.catch_warnings(action="ignore"):
        try:
            curve.fit_all(sizes, scores)
        except TypeError:  # more parameters than points
            raised = True
    return [predictor.score for predictor in curve.predictors], raised


def _count_good(scores: list[list[float | None]]) -> str:
    good = [[score is not None and score > GOOD for score in row] for row in scores]
    return f"{sum(map(sum, good))} of {sum(map(len, good))} fits on {sum(map(any, good))} of {len(good)} curves"


def percent(flags: Array) -> str:
    """Return the share of the flags that are set, for a person."""
    return f"{100 * np.mean(flags):.3g} %" if len(flags) else "none"
