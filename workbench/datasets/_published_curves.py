"""The six learning curves of Mahmood et al., as read off the vector drawing of Figure 5 of the NeurIPS 2022 paper."""

from __future__ import annotations

import pandas as pd

SOURCE = "Mahmood et al. NeurIPS 2022 Figure 5 (vector drawing)"

_CIFAR_SIZES = (*range(1000, 15001, 1000), 20000, 25000, 30000, 35000, 40000, 45000)
_SIZES: dict[str, tuple[int, ...]] = {
    "CIFAR-10": _CIFAR_SIZES,
    "CIFAR-100": _CIFAR_SIZES,
    "ImageNet": (*range(25000, 300001, 25000), *range(400000, 1100001, 100000)),
    "VOC": (*range(800, 11201, 800), 11711),
    "BDD100K": (*range(140, 2101, 140), *range(2800, 7001, 700)),
    "nuScenes": (
        *(562, 1125, 1687, 2250, 2813, 3375, 3938, 4500, 5063, 5626, 6188, 6751, 7313, 7876, 8439),
        *(11252, 14065, 16878, 19691, 22504, 25317, 28130),
    ),
}

_SCORES: dict[str, str] = {
    "CIFAR-10": """44.03 60.75 64.86 75.64 76.94 79.53 83.72 84.41 85.97 86.53 87.50 87.90 89.08 89.40 89.69
        91.14 92.77 93.27 93.73 94.21 94.66""",
    "CIFAR-100": """11.10 18.13 24.06 29.87 33.57 43.02 44.83 46.97 50.36 52.13 54.66 56.84 58.31 59.28 60.67
        63.94 67.63 70.41 72.11 73.32 74.25""",
    "ImageNet": """13.99 26.10 33.68 39.74 43.44 46.90 49.52 51.51 53.51 54.94 56.34 57.37
        60.33 62.57 64.10 65.14 66.72 66.93 68.05 68.78""",
    "VOC": """63.50 66.38 67.21 69.22 71.18 71.91 73.16 74.20 74.52 74.93 75.77 75.93 74.94 76.46 76.66""",
    "BDD100K": """13.9 15.4 16.8 18.0 18.8 19.5 20.2 20.7 21.1 22.1 22.2 22.8 23.2 23.1 23.8
        24.5 25.7 26.1 26.6 27.8 28.3 28.8""",
    "nuScenes": """11.35 15.72 18.18 20.98 21.55 22.08 22.78 22.94 23.78 23.99 24.87 25.56 25.30 26.32 27.20
        27.99 28.91 29.92 31.15 31.78 32.41 32.76""",
}


def transcribed_curves() -> pd.DataFrame:
    """Return the transcription as a table (task, n, score as printed text, source), in the order of the figure."""
    rows = []
    for task, sizes in _SIZES.items():
        rows += [(task, n, score, SOURCE) for n, score in zip(sizes, _SCORES[task].split(), strict=True)]
    return pd.DataFrame(rows, columns=["task", "n", "score", "source"])
