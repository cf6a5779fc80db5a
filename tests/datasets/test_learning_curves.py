import numpy as np
import pytest

from workbench.datasets import FULL_SIZES, lcdb_curves, published_curves

# As printed in the workbench's notes on the paper: number of points, first and last size, first and last score.
PUBLISHED = {
    "CIFAR-10": (21, 1000, 45000, 44.03, 94.66),
    "CIFAR-100": (21, 1000, 45000, 11.10, 74.25),
    "ImageNet": (20, 25000, 1100000, 13.99, 68.78),
    "VOC": (15, 800, 11711, 63.50, 76.66),
    "BDD100K": (22, 140, 7000, 13.9, 28.8),
    "nuScenes": (22, 562, 28130, 11.35, 32.76),
}
LCDB_SIZES = [
    16,
    23,
    32,
    45,
    64,
    91,
    128,
    181,
    256,
    362,
    512,
    724,
    1024,
    1448,
    2048,
    2896,
    4096,
    5793,
    8192,
    11585,
    16384,
    23170,
    32768,
    60000,
]
LCDB_MEANS = {
    (
        "Fashion-MNIST",
        "RandomForestClassifier",
    ): """35.5 43.8 48.9 52.2 58.5 64.3 69.6 72.2 74.8 76.7 78.3 79.4 80.6 81.6 82.6 83.5
        84.2 85.0 85.5 86.1 86.7 87.2 87.7 88.5""",
    (
        "Fashion-MNIST",
        "SVC_rbf",
    ): """31.7 36.0 40.5 42.5 52.9 60.5 68.5 71.0 73.4 75.4 77.0 78.7 80.0 80.9 82.1 83.1 84.1 85.0 85.8
        86.6 87.3 87.8 88.4 89.3""",
    (
        "Fashion-MNIST",
        "MLPClassifier",
    ): """37.1 41.9 47.1 49.1 53.6 58.1 62.2 64.9 67.5 69.0 70.7 72.5 74.1 75.5 77.0 78.3 79.4 80.3
        81.7 82.7 83.7 84.5 85.3 86.0""",
    (
        "mnist_784",
        "RandomForestClassifier",
    ): """33.9 40.4 46.9 54.8 61.1 66.6 72.0 76.7 80.3 83.4 85.8 87.8 89.3 90.7 91.6 92.6 93.5
        94.1 94.7 95.2 95.6 96.0 96.4 96.9""",
    (
        "Fashion-MNIST",
        "LinearDiscriminantAnalysis",
    ): """31.5 41.8 48.8 53.6 58.5 64.2 67.2 69.0 68.6 66.4 60.2 42.1 57.9 69.0 74.4
        77.6 79.4 80.6 81.3 81.9 82.2 82.4 82.5 82.7""",
    (
        "mnist_784",
        "RidgeClassifier",
    ): """43.4 49.6 53.1 56.6 59.8 60.6 61.6 61.4 57.7 48.6 25.0 50.2 64.4 71.9 76.4 79.3 81.2 82.5
        83.4 84.0 84.4 84.6 84.8 85.0""",
}


@pytest.mark.parametrize("task", PUBLISHED)
def test_published_curves_have_the_printed_ends(task):
    curve = published_curves(task)
    assert (
        len(curve),
        curve["n"].iloc[0],
        curve["n"].iloc[-1],
        curve["score"].iloc[0],
        curve["score"].iloc[-1],
    ) == PUBLISHED[task]
    assert curve["n"].is_monotonic_increasing
    assert curve["n"].is_unique


def test_published_curves_carry_all_six_tasks_in_documented_types():
    frame = published_curves()
    assert list(frame.columns) == ["task", "n", "score", "source"]
    assert list(frame["task"].unique()) == list(PUBLISHED)
    assert frame["n"].dtype == np.int64
    assert frame["score"].dtype == np.float64
    assert set(FULL_SIZES) == set(PUBLISHED)


def test_published_sizes_follow_the_papers_schedule():
    nuscenes = published_curves("nuScenes")["n"] / FULL_SIZES["nuScenes"] * 100
    np.testing.assert_allclose(nuscenes, [*range(2, 31, 2), *range(40, 101, 10)], atol=0.01)
    bdd = published_curves("BDD100K")["n"] / FULL_SIZES["BDD100K"] * 100
    np.testing.assert_allclose(bdd, [*range(2, 31, 2), *range(40, 101, 10)])
    assert published_curves("CIFAR-10")["n"].max() == 45_000 < FULL_SIZES["CIFAR-10"]
    assert published_curves("VOC")["n"].max() == 11_711 < FULL_SIZES["VOC"]


def test_imagenet_target_of_67_percent_lies_near_900_thousand():
    curve = published_curves("ImageNet")
    first_above = curve.loc[curve["score"] >= 67, "n"].iloc[0]
    assert 900_000 <= first_above <= 1_000_000


def test_unknown_published_task_is_named():
    with pytest.raises(ValueError, match=r"CIFAR-10, CIFAR-100.*got 'cifar'"):
        published_curves("cifar")


@pytest.mark.parametrize("key", LCDB_MEANS, ids=" ".join)
def test_lcdb_means_equal_the_printed_table(key):
    curve = lcdb_curves(*key)
    assert curve["n"].tolist() == LCDB_SIZES
    printed = [float(value) for value in LCDB_MEANS[key].split()]
    np.testing.assert_allclose(curve["score_mean"], printed, atol=0.056)


def test_lcdb_spread_shrinks_with_n():
    curve = lcdb_curves("Fashion-MNIST", "RandomForestClassifier").set_index("n")["score_std"]
    assert 3 < curve[16] < 5
    assert curve[60000] < 0.6


def test_lcdb_extract_is_complete():
    frame = lcdb_curves()
    assert len(frame) == 72_224
    assert frame["openmlid"].nunique() == 248
    assert frame["learner"].nunique() == 20
    assert frame["score_mean"].between(0, 100).all()
    assert (frame["score_std"].isna() == (frame["splits"] == 1)).all()
    assert frame["splits"].between(1, 125).all()
    assert not frame.duplicated(["openmlid", "learner", "n"]).any()
    assert frame["dataset"].str.len().min() > 0


def test_lcdb_filters():
    frame = lcdb_curves([554, "Fashion-MNIST"], ["SVC_rbf", "MLPClassifier"], min_points=20)
    assert set(frame["openmlid"]) == {554, 40996}
    assert set(frame["learner"]) == {"SVC_rbf", "MLPClassifier"}
    assert (
        lcdb_curves(min_points=25).empty
        or lcdb_curves(min_points=25).groupby(["openmlid", "learner"]).size().min() >= 25
    )
    edited = lcdb_curves()
    edited["n"] = 0
    assert lcdb_curves()["n"].min() > 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("fashion mnist",), "is not among the 248 of LCDB"),
        ((999_999,), "999999 is not among"),
        (("car",), "belongs to the OpenML ids 21, 991, 40975"),
        ((554, "forest"), "learner 'forest' is not in LCDB"),
    ],
)
def test_lcdb_says_what_it_does_not_hold(arguments, message):
    with pytest.raises(ValueError, match=message):
        lcdb_curves(*arguments)
