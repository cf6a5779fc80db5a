"""The comparisons of pose distillation still run, at a tiny setting, and agree with their peers."""

from __future__ import annotations

from . import pose_distillation as subject
from .side_by_side import BenchmarkConfig

TINY = BenchmarkConfig(repeats=1)


def test_votes_of_images_differ_in_number_and_the_divergence_agrees_with_its_peer():
    """Where GeomLoss is not installed the row is left out, not invented."""
    student, teacher = subject.two_sets(0, images=3)
    assert len({int((votes.scores[image] > 0).sum()) for votes in (student, teacher) for image in range(3)}) > 1
    for comparison in subject.divergence(TINY, backward=True, images=2):
        assert float(comparison.agreement.split("in float64 ")[1].split(",")[0]) < 1e-5


def test_nearest_points_agree_with_all_distances():
    row = subject.nearest_points(TINY, 200).row()
    assert row["ours_seconds"] > 0
    assert float(row["agreement"].split()[2]) < 1e-6
