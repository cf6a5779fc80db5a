"""Published numbers of "Optimizing Data Collection for Machine Learning" (Mahmood et al., NeurIPS 2022), to stand beside ours."""

from __future__ import annotations

ROUNDS = (1, 3, 5)

Outcome = tuple[float, float | None]
"""Failures in percent of targets, and the mean cost ratio of those that were met."""

PENALTIES = {"CIFAR-10": 1e7, "CIFAR-100": 1e7, "ImageNet": 1e8, "VOC": 1e6, "BDD100K": 1e7, "nuScenes": 1e7}
"""Penalty P of Table 1, in the unit in which a sample costs 1."""

PAPER_BANDWIDTHS = {"ImageNet": (2e4, 2e7)}
"""Table 5: bandwidths are searched between 200 and 4000 samples, and between these on ImageNet."""

DEFAULT_PAPER_BANDWIDTHS = (200.0, 4000.0)

PAPER_TABLE_1: dict[str, dict[str, tuple[Outcome, Outcome, Outcome]]] = {
    "CIFAR-10": {
        "regression": ((100, None), (95, 0.00), (86, 0.00)),
        "LOC": ((60, 0.19), (32, 0.05), (29, 0.03)),
    },
    "CIFAR-100": {
        "regression": ((56, 0.12), (48, 0.10), (48, 0.10)),
        "LOC": ((4, 0.99), (3, 0.31), (2, 0.19)),
    },
    "ImageNet": {
        "regression": ((99, 0.00), (75, 0.01), (56, 0.01)),
        "LOC": ((37, 0.49), (5, 0.16), (2, 0.10)),
    },
    "BDD100K": {
        "regression": ((77, 0.03), (31, 0.00), (23, 0.01)),
        "LOC": ((12, 2.03), (0, 0.72), (0, 0.35)),
    },
    "nuScenes": {
        "regression": ((95, 0.00), (71, 0.01), (62, 0.00)),
        "LOC": ((52, 0.16), (0, 0.09), (0, 0.04)),
    },
    "VOC": {
        "regression": ((36, 1.24), (8, 0.88), (6, 0.86)),
        "LOC": ((25, 0.56), (0, 1.10), (0, 0.84)),
    },
}
"""Table 1: power law, one outcome for each of T = 1, 3, 5; the paper averages over five seeds of its curves."""

PAPER_TABLE_6: dict[str, dict[str, tuple[Outcome, Outcome, Outcome]]] = {
    "log": {"regression": ((43, 0.19), (37, 0.17), (34, 0.16)), "LOC": ((2, 1.17), (2, 0.54), (1, 0.39))},
    "arctan": {"regression": ((23, 3.31), (15, 3.01), (12, 2.90)), "LOC": ((0, 5.56), (0, 3.92), (0, 3.60))},
    "root": {"regression": ((52, 0.11), (44, 0.10), (44, 0.10)), "LOC": ((23, 0.81), (2, 0.87), (2, 0.54))},
}
"""Table 6: the other functions, on CIFAR-100."""

PAPER_TABLE_2: dict[str, dict[float, tuple[tuple[Outcome, Outcome], ...]]] = {
    "CIFAR-100 halves, c1 = 0.01": {
        0.0005: (((62, 0.89), (40, 41.8)), ((43, 3.47), (30, 4.88)), ((38, 3.31), (24, 5.19))),
        0.001: (((58, 1.19), (46, 9.85)), ((45, 1.22), (43, 1.31)), ((35, 1.22), (24, 0.79))),
        0.002: (((56, 1.55), (54, 6.98)), ((45, 1.47), (44, 1.21)), ((37, 1.33), (38, 0.90))),
        0.005: (((54, 1.65), (33, 4.43)), ((38, 1.31), (36, 1.17)), ((36, 1.30), (24, 0.82))),
    },
    "BDD100K labelled and unlabelled, c1 = 1": {
        0.005: (((86, 0.11), (44, 7.02)), ((23, 0.18), (7, 1.20)), ((16, 0.22), (2, 1.91))),
        0.01: (((79, 0.15), (30, 13.5)), ((21, 0.15), (7, 2.57)), ((21, 0.15), (2, 0.86))),
        0.05: (((72, 0.19), (49, 1.02)), ((26, 0.18), (23, 0.50)), ((16, 0.17), (9, 0.27))),
        0.1: (((70, 0.19), (65, 0.40)), ((26, 0.21), (30, 0.15)), ((16, 0.20), (7, 0.32))),
    },
}
"""Table 2, two sources: by the second source's cost, (regression, LOC) for T = 1, 3, 5."""

PAPER_FIGURE_2: dict[tuple[str, int], tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    ("CIFAR-10", 1): (
        (79, 83, 87, 89, 91, 93),
        (0.92, 0.90, 0.68, 0.60, 0.43, 0.32),
        (1.28, 1.25, 0.90, 0.81, 0.59, 0.45),
    ),
    ("CIFAR-10", 5): (
        (79, 83, 87, 89, 91, 93),
        (0.96, 0.98, 0.85, 0.85, 0.69, 0.60),
        (0.98, 1.02, 1.06, 1.08, 0.90, 0.83),
    ),
    ("CIFAR-100", 1): (
        (40, 45, 50, 55, 60, 65, 70),
        (1.21, 1.08, 1.07, 1.00, 0.89, 0.73, 0.58),
        (1.57, 1.54, 1.82, 2.50, 2.11, 2.38, 2.30),
    ),
    ("CIFAR-100", 3): (
        (40, 45, 50, 55, 60, 65, 70),
        (1.21, 1.10, 1.09, 1.04, 0.98, 0.89, 0.84),
        (1.33, 1.27, 1.32, 1.30, 1.37, 1.38, 1.09),
    ),
    ("ImageNet", 1): (
        (43, 47, 51, 55, 59, 63, 67),
        (0.98, 0.94, 0.88, 0.79, 0.67, 0.54, 0.37),
        (1.93, 1.71, 1.47, 1.22, 0.94, 0.72, 0.48),
    ),
    ("ImageNet", 5): (
        (43, 47, 51, 55, 59, 63, 67),
        (1.01, 1.02, 1.01, 0.99, 0.96, 0.93, 0.81),
        (1.25, 1.16, 1.04, 1.12, 1.06, 1.06, 1.00),
    ),
    ("BDD100K", 1): ((19, 21, 23, 25, 27), (1.00, 0.92, 0.78, 0.60, 0.46), (2.3, 2.3, 2.2, 3.4, 2.8)),
    ("BDD100K", 5): ((19, 21, 23, 25, 27), (1.00, 1.00, 1.00, 0.94, 1.00), (1.27, 1.20, 1.28, 1.18, 1.90)),
    ("nuScenes", 1): ((21, 24, 27, 30), (1.00, 0.75, 0.75, 0.58), (1.33, 1.06, 1.08, 0.80)),
    ("nuScenes", 5): ((21, 24, 27, 30), (1.00, 0.96, 1.02, 0.99), (1.15, 1.05, 1.09, 1.03)),
}
"""Figure 2, read off the vector graphics: targets, and mean ``q_T / D*`` of regression and of LOC, by task and T."""
