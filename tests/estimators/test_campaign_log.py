"""The campaign log: what was written comes back, only grows, resumes the plan, and says what is wrong with it."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.estimators import CollectionProblem, LocPolicy, simulate_campaign
from workbench.estimators.campaign_log import CampaignLog, CampaignLogError
from workbench.experiments.tasks import load_task

SIZES, SCORES = [1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9]
PROBLEM = CollectionProblem(90, 3, 0.5, 20_000)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "campaign.csv"


def test_log_on_disk_equals_the_log_in_memory(path):
    started = CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    read = CampaignLog.open(path)
    assert read.problem.target == 90
    assert read.problem.prices.tolist() == [0.5]
    assert read.problem.penalty == 20_000
    assert read.q_max.tolist() == [100_000]
    assert read.frame().equals(started.frame())
    assert CampaignLog.open(path.read_bytes()).frame().equals(started.frame())


def test_campaign_interrupted_after_every_round_is_the_uninterrupted_campaign(path):
    task = load_task("CIFAR-100")
    problem = CollectionProblem(60, 3, 1.0, 1e7)
    whole = simulate_campaign(task.oracle, LocPolicy(n_boot=100), problem, task.start_sizes)
    CampaignLog.start(path, problem, task.start_sizes, task.oracle.scores[: task.subsets])
    for owned in whole["n"].iloc[1:]:
        log = CampaignLog.open(path)
        size = log.decide(LocPolicy(n_boot=100)).size
        assert size == [owned]
        log.record(size, float(task.oracle.score(size[0])))
    log = CampaignLog.open(path)
    assert log.status == whole["status"].iloc[-1]
    assert log.paid.sum() == whole["paid"].iloc[-1]


def test_file_only_grows(path):
    log = CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    before = path.read_bytes()
    log.record(9000, 85.5)
    assert path.read_bytes() == before + b"1,9000,85.5,2000\n"
    with pytest.raises(FileExistsError):
        CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    assert path.read_bytes().startswith(before)


def test_a_missing_line_end_does_not_join_two_rows(path):
    CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    CampaignLog.open(path).record(9000, 85.5)
    assert CampaignLog.open(path).sizes[:, 0].tolist() == [*SIZES, 9000]


def test_log_that_grew_elsewhere_is_not_appended_to(path):
    log = CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    log.record(9000, 85.5)
    with pytest.raises(ValueError, match="has changed since it was read"):
        log.record(9500, 86.0)
    assert len(CampaignLog.open(path).scores) == 6


def test_log_of_two_sources(path):
    problem = CollectionProblem(90, 3, (1.0, 0.1), 1e5)
    log = CampaignLog.start(path, problem, [[10, 10], [20, 40]], [50, 60]).record([30, 50], 70)
    assert list(log.frame().columns) == ["round", "n_1", "n_2", "score", "cost_paid"]
    assert CampaignLog.open(path).paid[-1] == 11.0
    with pytest.raises(ValueError, match="this policy plans for one source, got 2"):
        log.decide()


def test_spreadsheet_that_padded_the_comment_is_read(path):
    CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    first, rest = path.read_text().split("\n", 1)
    assert CampaignLog.open((f"\ufeff{first},,,\r\n" + rest).encode()).problem.rounds == 3


def test_a_campaign_that_is_over_has_no_next_order(path):
    log = CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    assert log.record(9000, 90.0).status == "met"
    with pytest.raises(ValueError, match="the campaign is over: the target was met"):
        CampaignLog.open(path).decide()


@pytest.mark.parametrize(
    "size, score, message",
    [
        (5000, 80.0, "each round must add samples"),
        (4000, 80.0, "each round must add samples"),
        (200_000, 80.0, "size must not be above q_max"),
        (9000, np.nan, "score must be a number"),
        (9000, 101.0, "score is in percent"),
    ],
)
def test_bad_round_is_refused_and_not_written(path, size, score, message):
    log = CampaignLog.start(path, PROBLEM, SIZES, SCORES)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        log.record(size, score)
    assert path.read_bytes() == before


HEAD = "# campaign: target=90.0 rounds=3 cost=0.5 penalty=20000.0 q_max=100000.0\n"
COLUMNS = "round,n,score,cost_paid\n"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "the campaign log is empty"),
        ("n,score\n1000,44\n2000,50\n", "starts with a line '# campaign:"),
        ("# campaign: target=90 rounds=3 cost=1\nround,n,score,cost_paid\n0,1,2,0\n", "penalty is missing"),
        ("# campaign: target=90 rounds=3 cost=0 penalty=1 q_max=9\n" + COLUMNS + "0,1,2,0\n", "cost must be positive"),
        ("# campaign: target=90 rounds=3 cost=1;2 penalty=1 q_max=9\n" + COLUMNS + "0,1,2,0\n", "one value a source"),
        (HEAD + "round,size,score,cost_paid\n0,1,2,0\n", "line 2: the columns must be round, n, score, cost_paid"),
        (HEAD + COLUMNS + "0,1000,44\n", "line 3: expected 4 fields"),
        (HEAD + COLUMNS + "0,1000,forty,0\n", "line 3, column 'score': 'forty' is not a number"),
        (HEAD + COLUMNS + "0,1000,44,0\n2,3000,50,1000\n", "round must be 0"),
        (HEAD + COLUMNS + "1,1000,44,0\n2,3000,50,1000\n", "round must be 0"),
        (HEAD + COLUMNS + "0,1000,44,0\n1,900,50,1000\n", "each round must add samples"),
    ],
)
def test_broken_log_says_what_is_wrong(text, message):
    with pytest.raises(CampaignLogError, match=message):
        CampaignLog.open(text.encode())


def test_binary_file_is_not_a_log():
    with pytest.raises(CampaignLogError, match="this is not text"):
        CampaignLog.open(b"\x89PNG\xff\xfe")


def test_more_data_than_the_cap_is_refused_at_the_start(path):
    with pytest.raises(ValueError, match="size must not be above q_max"):
        CampaignLog.start(path, PROBLEM, SIZES, SCORES, q_max=4000)
    assert not path.exists()
