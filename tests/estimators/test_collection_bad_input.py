"""What collecting does with input that is wrong, hopeless, already done or at the end of floating point: answers, never accidents.

The cases are those of the paper's method that a person meets: each has one behaviour, and every refusal names its argument.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from workbench.estimators import (
    CollectionProblem,
    EnsemblePolicy,
    LearningCurveOracle,
    LocPolicy,
    RegressionPolicy,
    RequirementDistribution,
    plan,
    simulate_campaign,
)
from workbench.estimators.requirement_distribution import KernelDistribution
from workbench.estimators.sources import source_law

SIZES = np.array([1000, 2000, 3000, 4000, 5000])
SCORES = np.array([44.03, 60.75, 64.86, 75.64, 76.94])
CURVE = LearningCurveOracle(SIZES, SCORES)
MIXES = np.array([(a, b) for a in (10, 30, 60) for b in (10, 30, 60)], float)
SOLVERS = pytest.mark.parametrize("solver", ["dp", "gradient"])
ROUNDS = pytest.mark.parametrize("rounds", [1, 3])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def learned(target=88.0, **options):
    return RequirementDistribution.from_curve(SIZES, SCORES, target, **options)


def step_law(answers, present, q_max=100_000.0, bandwidth=None):
    return KernelDistribution([np.asarray(answers, float)], present, q_max, bandwidth, 0)


def refuses(message, kind=ValueError):
    return pytest.raises(kind, match=message)


# arguments that cannot be meant


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cost": 0}, "^cost must be positive, got 0$"),
        ({"cost": -2.5}, "^cost must be positive, got -2.5$"),
        ({"cost": np.nan}, "^cost must be finite, got nan$"),
        ({"cost": np.inf}, "^cost must be finite, got inf$"),
        ({"cost": "free"}, "^cost must be numbers, got 'free'$"),
        ({"cost": [1, 2]}, r"^cost must have one value a source \(1\), got 2$"),
        ({"penalty": -1}, "^penalty must not be negative, got -1$"),
        ({"penalty": np.inf}, "^penalty must be one finite number, got inf$"),
        ({"penalty": [1, 2]}, "^penalty must be one finite number"),
        ({"penalty": None}, "^penalty must be one finite number, got None$"),
        ({"rounds": 0}, "^rounds must be a whole number of at least 1, got 0$"),
        ({"rounds": -3}, "^rounds must be a whole number of at least 1, got -3$"),
        ({"rounds": 2.5}, "^rounds must be a whole number of at least 1, got 2.5$"),
        ({"rounds": np.nan}, "^rounds must be a whole number of at least 1, got nan$"),
        ({"rounds": None}, "^rounds must be a whole number of at least 1, got None$"),
        ({"size": 0}, "^size must be positive, got 0$"),
        ({"size": -5}, "^size must be positive, got -5$"),
        ({"size": np.nan}, "^size must be finite, got nan$"),
        ({"size": [5_000, 5_000]}, r"^size must have one value a source \(1\), got 2$"),
        ({"size": 4_999}, "^size must not be below the 5000 samples that the law was learned from, got 4999$"),
        ({"size": 100_001}, "^size must not be above q_max=100000, got 100001$"),
        ({"solver": "newton"}, r"^solver must be one of \('dp', 'gradient'\), got 'newton'$"),
    ],
)
def test_plan_refuses(options, message):
    problem = {"size": 5_000, "cost": 1, "penalty": 1e6, "rounds": 2} | options
    with refuses(message):
        plan(learned(), problem.pop("size"), **problem)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"target": np.nan}, "^target must be one finite number, got nan$"),
        ({"cost": 0}, "^cost must be positive, got 0$"),
        ({"cost": (1.0, -0.5)}, "^cost must be positive, got -0.5$"),
        ({"penalty": -1}, "^penalty must not be negative, got -1$"),
        ({"penalty": np.nan}, "^penalty must be one finite number, got nan$"),
        ({"rounds": 0}, "^rounds must be a whole number of at least 1, got 0$"),
        ({"rounds": np.inf}, "^rounds must be a whole number of at least 1, got inf$"),
    ],
)
def test_problem_refuses(options, message):
    with refuses(message):
        CollectionProblem(**{"target": 80, "rounds": 2} | options)


def test_rounds_may_be_a_whole_float():
    assert CollectionProblem(80, 3.0).rounds == 3
    assert len(plan(learned(), 5_000, cost=1, penalty=1e6, rounds=3.0).orders) == 3


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sizes": [0, *SIZES[1:]]}, r"^sizes\[0\] is 0; sizes count samples and must be positive and finite$"),
        ({"sizes": SIZES[:4]}, "^sizes, scores and sample_weight must be one-dimensional and of one length"),
        ({"sizes": [1, 1, 2, 2, 2]}, "^need at least 3 distinct sizes to fit 'power', got 2$"),
        ({"scores": [1, 2, 3, np.nan, 5]}, r"^scores\[3\] is nan; scores must be finite numbers$"),
        ({"scores": SCORES / 100}, "^scores look like fractions"),
        ({"target": np.inf}, "^target must be one finite number, got inf$"),
        ({"family": "cubic"}, "^curve must be one of .*got 'cubic'$"),
        ({"family": ()}, "^family must name at least one learning curve$"),
        ({"n_boot": 0}, "^n_boot must be a whole number of at least 1, got 0$"),
        ({"n_boot": 10.5}, "^n_boot must be a whole number of at least 1, got 10.5$"),
        ({"weights": "triple"}, "^weights must be 'uniform' or 'doubling', got 'triple'$"),
        ({"min_distinct": 2}, "^min_distinct must be a whole number of at least 3, got 2$"),
        ({"q_max": 4_999}, "^q_max must not be below the present size 5000, got 4999$"),
        ({"q_max": np.inf}, "^q_max must be one finite number, got inf$"),
        ({"bandwidth": 0}, "^bandwidth must be a positive number or two increasing ones, got 0$"),
        ({"bandwidth": (400, 20)}, r"^bandwidth must be a positive number or two increasing ones, got \(400, 20\)$"),
        ({"bandwidth": (1, 2, 3)}, "^bandwidth must be a positive number or two increasing ones"),
        ({"bandwidth": "wide"}, "^bandwidth must be numbers, got 'wide'$"),
        ({"direction": "up"}, "^direction must be 'max' or 'min', got 'up'$"),
        ({"score_scale": 1}, r"^scores\[4\] is 76.94, above score_scale=1"),
    ],
)
def test_law_refuses(options, message):
    arguments = {"sizes": SIZES, "scores": SCORES, "target": 88} | options
    with refuses(message):
        RequirementDistribution.from_curve(**arguments)


@pytest.mark.parametrize("frozen", [3, "norm", stats.gamma, lambda x: x])
def test_only_frozen_laws_are_laws(frozen):
    with refuses("^frozen must be a frozen law of scipy.stats", TypeError):
        RequirementDistribution.from_law(frozen)


@pytest.mark.parametrize("name", ["quantile", "isf"])
def test_probabilities_lie_between_0_and_1(name):
    for value in (-0.1, 1.1, np.nan, [0.5, 2]):
        with refuses("must lie between 0 and 1, got"):
            getattr(learned(), name)(value)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"start": [0, 1_000, 5_000]}, "^start must hold positive finite sizes of every source$"),
        (
            {"start": [[10, 0], [20, 5]], "problem": CollectionProblem(80, 1, (1, 1))},
            "^start must hold positive finite",
        ),
        ({"problem": CollectionProblem(80, 1, (1.0, 2.0))}, r"^cost must have one value a source \(1\), got 2$"),
        ({"start": np.ones((5, 2))}, r"^cost must have one value a source \(2\), got 1$"),
        ({"q_max": 4_999}, r"^q_max must be finite, not below the present sizes \[5000.0\], got \[4999.0\]$"),
        ({"q_max": np.nan}, r"^q_max must be finite, .* got \[nan\]$"),
        ({"q_max": np.inf}, r"^q_max must be finite, .* got \[inf\]$"),
        (
            {"oracle": LearningCurveOracle(SIZES, 100 - SCORES, direction="min")},
            "^oracle must hold scores of which higher",
        ),
    ],
)
def test_campaign_refuses(options, message):
    game = {
        "oracle": CURVE,
        "policy": RegressionPolicy(),
        "problem": CollectionProblem(80, 1),
        "start": SIZES,
    } | options
    with refuses(message):
        simulate_campaign(**game)


@pytest.mark.parametrize("policy", [RegressionPolicy(), EnsemblePolicy(), LocPolicy()])
def test_policies_of_one_source_do_not_play_with_two(policy):
    with refuses("^this policy plans for one source, got 2"):
        policy.decide(MIXES, np.arange(9.0), CollectionProblem(80, 1, (1, 1)), 1, np.array([1e3, 1e3]), 0)


def test_a_source_of_which_nothing_is_owned_is_refused():
    """A power of a size is not defined at 0, so every source needs a sample."""
    with refuses(r"sizes\[0, 1\] is 0; every source needs at least 1 sample"):
        source_law(np.where(MIXES[0] == MIXES, [10, 0], MIXES), np.arange(9.0) + 40, 90, cost=[1, 1])


# already there


@SOLVERS
@ROUNDS
@pytest.mark.parametrize("penalty", [0, 1e7])
def test_a_target_that_is_met_orders_nothing(solver, rounds, penalty):
    best = plan(learned(75), 5_000, cost=1, penalty=penalty, rounds=rounds, solver=solver)
    assert best.status == "met"
    assert best.orders.tolist() == [0] * rounds
    assert best.sizes.tolist() == [5_000] * rounds
    assert (best.expected_cost, best.success_probability) == (0, 1)
    assert best.needed.tolist() == [0] * rounds


# not worth it


@SOLVERS
@ROUNDS
@pytest.mark.parametrize("penalty", [0, 1, 100])
def test_a_penalty_below_the_bill_is_paid(solver, rounds, penalty):
    best = plan(learned(), 5_000, cost=1, penalty=penalty, rounds=rounds, solver=solver)
    assert best.status == "give up"
    assert best.orders.tolist() == [0] * rounds
    assert (best.expected_cost, best.success_probability) == (penalty, 0)
    assert learned().cdf(5_000) == 0


# hopeless


@SOLVERS
@pytest.mark.parametrize("scores, family", [(80 - 900 * SIZES**-0.5, "power_saturating"), (SCORES[::-1], "power")])
def test_a_target_that_no_curve_reaches_is_unreachable(scores, family, solver):
    law = RequirementDistribution.from_curve(SIZES, scores, 85, family=family)
    best = plan(law, 5_000, cost=1, penalty=1e7, rounds=3, solver=solver)
    assert best.status == "unreachable"
    assert best.orders.tolist() == [0, 0, 0]
    assert (best.expected_cost, best.success_probability, law.p_unreachable) == (1e7, 0, 1)
    assert len(law.kernels.atoms) == 0


@SOLVERS
def test_finite_answers_that_are_contradicted_leave_the_infinite_ones(solver):
    """Half of the answers lie far below the present size, the others are infinite: nothing reachable is left."""
    law = step_law(np.repeat([1_000.0, np.inf], 50), 90_000, bandwidth=5.0)
    best = plan(law, 90_000, cost=1, penalty=1e7, rounds=2, solver=solver)
    assert (best.status, best.orders.tolist()) == ("unreachable", [0, 0])


def test_the_share_of_the_penalty_that_cannot_be_avoided_is_told():
    law = step_law(np.repeat([7_000.0, np.inf], [80, 20]), 5_000)
    assert law.p_unreachable == pytest.approx(0.2)
    best = plan(law, 5_000, cost=1, penalty=1e7, rounds=1)
    assert best.success_probability == pytest.approx(0.8, abs=1e-3)
    assert 2e6 < best.expected_cost < 2.1e6


# the ends of floating point


@SOLVERS
@ROUNDS
def test_answers_that_are_all_equal_make_a_step_a_bandwidth_wide(solver, rounds):
    law = step_law(np.full(300, 9_000.0), 5_000, bandwidth=1e-9)
    assert law.bandwidth == 9
    best = plan(law, 5_000, cost=1, penalty=1e6, rounds=rounds, solver=solver)
    assert best.success_probability > 0.999
    assert (
        9_000 < best.sizes[-1] < 9_000 + (8 if solver == "dp" else 80) * 9
    )  # a descent stops high above so steep a step


@SOLVERS
@ROUNDS
@pytest.mark.parametrize("present", [5_400, 6_000, 20_000, 99_999])
def test_a_law_that_the_present_size_contradicts_orders_the_least_step(present, solver, rounds):
    law = step_law(np.full(300, 5_000.0), 2_000, bandwidth=10.0)  # 1 - F underflows from 5 380 on
    assert law.kernels.sf(np.array(float(present))) == 0
    best = plan(law, present, cost=1, penalty=1e7, rounds=rounds, solver=solver)
    assert best.status == "collect"
    assert np.all(best.sizes > present)
    assert best.orders[0] >= 1
    if solver == "dp":
        assert best.orders[0] <= 10
        assert 1 <= best.expected_cost < 12


def test_a_bounded_law_that_ended_orders_one_sample():
    law = RequirementDistribution.from_law(stats.uniform(0, 100))
    assert plan(law, 200, cost=1, penalty=10, rounds=2).orders.tolist() == [1, 0]


@pytest.mark.parametrize("penalty", [1e7, 1e10, 1e13])
@ROUNDS
def test_far_tails_still_count_where_the_penalty_is_huge(penalty, rounds):
    """At P = 1e13 the optimum of N(10 000, 1 000) misses with 1e-13 and less; a survival computed as 1 - F would be 0 there."""
    law = step_law(np.full(300, 10_000.0), 5_000, bandwidth=1_000.0)
    best = plan(law, 5_000, cost=1, penalty=penalty, rounds=rounds, whole=False)
    if rounds == 1:
        assert penalty * law.pdf(best.sizes[-1]) == pytest.approx(1, rel=0.01)
    assert 0 < penalty * law.sf(best.sizes[-1]) < 1_000
    further = plan(law, 5_000, cost=1, penalty=10 * penalty, rounds=rounds, whole=False)
    assert further.sizes[-1] > best.sizes[-1] + 100


@pytest.mark.parametrize("unit", [1e-2, 1e3, 1e6])
@ROUNDS
def test_descent_does_not_depend_on_the_unit_of_a_sample(unit, rounds):
    """On raw samples a softplus saturates and no learning rate fits; the solver scales its problem first."""
    plans = [
        plan(
            RequirementDistribution.from_law(stats.norm(10_000 * scale, 1_500 * scale)),
            5_000 * scale,
            cost=1 / scale,
            penalty=1e6,
            rounds=rounds,
            solver="gradient",
            whole=False,
        )
        for scale in (1.0, unit)
    ]
    assert plans[1].sizes == pytest.approx(unit * plans[0].sizes, rel=1e-4)
    assert plans[1].expected_cost == pytest.approx(plans[0].expected_cost, rel=1e-6)


@SOLVERS
def test_the_cap_itself_leaves_nothing_to_order(solver):
    best = plan(learned(q_max=5_000), 5_000, cost=1, penalty=1e7, rounds=2, solver=solver)
    assert best.orders.tolist() == [0, 0]
    assert best.expected_cost == 1e7
