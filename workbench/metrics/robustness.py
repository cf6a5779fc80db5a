"""Metrics of robustness: mean corruption error, retention, accuracy on subsets of ImageNet's classes, and mean IoU.

Hendrycks, Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019 (mCE);
Zhou et al., "Understanding The Robustness in Vision Transformers", ICML 2022 (retention); Hendrycks et al., "Natural Adversarial
Examples", CVPR 2021, and "The Many Faces of Robustness", ICCV 2021 (ImageNet-A and ImageNet-R).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from workbench.metrics._imagenet_subsets import IMAGENET_A, IMAGENET_R

ALEXNET_ERROR = MappingProxyType(
    {
        "gaussian_noise": 0.886428,
        "shot_noise": 0.894468,
        "impulse_noise": 0.922640,
        "defocus_blur": 0.819880,
        "glass_blur": 0.826268,
        "motion_blur": 0.785948,
        "zoom_blur": 0.798360,
        "snow": 0.866816,
        "frost": 0.826572,
        "fog": 0.819324,
        "brightness": 0.564592,
        "contrast": 0.853204,
        "elastic_transform": 0.646056,
        "pixelate": 0.717840,
        "jpeg_compression": 0.606500,
    }
)
"""Top-1 error of AlexNet on ImageNet-C, the mean over five severities, by corruption; published with the benchmark."""
SUBSETS = MappingProxyType({"imagenet-a": IMAGENET_A, "imagenet-r": IMAGENET_R})
"""Which 200 of ImageNet's 1 000 classes each set has, in the order of its own labels."""


def corruption_errors(
    errors: Mapping[str, ArrayLike], reference: Mapping[str, ArrayLike] | None = None
) -> dict[str, float]:
    """Return ``CE_c = sum over severities of E_cs / sum over severities of the reference's`` for each corruption of ``errors``.

    Args:
        errors: top-1 error in [0, 1] at each severity, or their mean, by corruption.
        reference: the same of the network to normalise by; default AlexNet's.

    Raises:
        ValueError: there is none, an error is not in [0, 1], the reference lacks a corruption, has another number of severities, or
            makes no error.

    >>> corruption_errors({"fog": [0.1, 0.3]}, {"fog": [0.2, 0.6]})
    {'fog': 0.5}
    """
    if not errors:
        raise ValueError("errors is empty; expected errors by corruption")
    reference = ALEXNET_ERROR if reference is None else reference
    found = {}
    for name, values in errors.items():
        if name not in reference:
            raise ValueError(f"the reference has no {name!r}; it has {', '.join(reference)}")
        own, other = _errors(f"errors[{name!r}]", values), _errors(f"reference[{name!r}]", reference[name])
        if own.size != other.size and min(own.size, other.size) != 1:
            raise ValueError(f"{name!r} has {own.size} severities, and {other.size} in the reference")
        if not other.mean():
            raise ValueError(f"the reference makes no error on {name!r}; expected one above 0")
        found[name] = float(own.mean() / other.mean())
    return found


def mean_corruption_error(
    errors: Mapping[str, ArrayLike], reference: Mapping[str, ArrayLike] | None = None, partial: bool = False
) -> float:
    """Return mCE in percent: 100 times the mean of :func:`corruption_errors`, by default normalised by AlexNet's.

    Args:
        errors, reference: as :func:`corruption_errors` takes them, of the corruptions of the reference.
        partial: accept fewer corruptions than the reference has; the result is no mCE of the benchmark then.

    Raises:
        ValueError: as :func:`corruption_errors`, or a corruption is missing and ``partial`` is not set.

    >>> round(mean_corruption_error({name: 0.5 for name in ALEXNET_ERROR}), 2)  # not 50
    64.67
    """
    wanted = ALEXNET_ERROR if reference is None else reference
    missing = [name for name in wanted if name not in errors]
    if missing and not partial:
        count = f"{len(wanted) - len(missing)} of {len(wanted)} corruptions"
        raise ValueError(f"errors has {count}, {', '.join(missing)} missing; set partial=True to average the rest")
    return 100 * float(np.mean(list(corruption_errors(errors, reference).values())))


def retention(clean_accuracy: float, corrupted_accuracy: ArrayLike) -> float:
    """Return which share of the clean accuracy is left on corrupted images: the mean of the latter over the former.

    Raises:
        ValueError: an accuracy is not in [0, 1], there is none, or the clean one is 0.

    >>> retention(0.8, [0.6, 0.2])
    0.5
    """
    clean, corrupted = _errors("clean_accuracy", clean_accuracy), _errors("corrupted_accuracy", corrupted_accuracy)
    if not clean.mean():
        raise ValueError("clean_accuracy is 0; retention is not defined")
    return float(corrupted.mean() / clean.mean())


def subset_accuracy(logits: ArrayLike, labels: ArrayLike, subset: str | Sequence[int]) -> float:
    """Return top-1 accuracy among the classes of a subset: logits of the others are left out before the largest is taken.

    Args:
        logits: (N, 1000), of a network for ImageNet.
        labels: (N,) 0 to 199, the place of the class in the subset.
        subset: ``"imagenet-a"``, ``"imagenet-r"``, or the classes themselves.

    Raises:
        ValueError: an unknown subset, no image, shapes that do not match, a class or label out of range, or NaN.

    >>> subset_accuracy([[9.0, 1.0, 2.0], [9.0, 3.0, 2.0]], [1, 1], subset=[1, 2])  # class 0 does not count
    0.5
    """
    if isinstance(subset, str) and subset not in SUBSETS:
        raise ValueError(f"subset must be one of {', '.join(SUBSETS)}, got {subset!r}")
    classes = np.asarray(SUBSETS[subset] if isinstance(subset, str) else subset)
    logits, labels = np.asarray(logits, float), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ValueError(
            f"expected (N, classes) logits and (N,) labels of at least one image, got {logits.shape} and {labels.shape}"
        )
    if not 0 <= classes.min() <= classes.max() < logits.shape[1]:
        raise ValueError(
            f"logits has {logits.shape[1]} classes, and the subset names {classes.min()} to {classes.max()}"
        )
    if not 0 <= labels.min() <= labels.max() < len(classes):
        raise ValueError(f"labels are {labels.min()} to {labels.max()}, expected 0 to {len(classes) - 1}")
    if np.isnan(logits).any():
        raise ValueError("logits holds NaN, expected numbers")
    return float((logits[:, classes].argmax(1) == labels).mean())


def confusion_matrix(prediction: ArrayLike, label: ArrayLike, classes: int = 19, ignored: int = 255) -> np.ndarray:
    """Return counts (classes, classes), true class by predicted class, of the pixels of one or more label maps.

    Matrices of several images are added before :func:`mean_iou`.

    Raises:
        ValueError: shapes differ, or a value is out of range.

    >>> confusion_matrix([0, 1, 1, 1], [0, 0, 1, 255], classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    prediction, label = np.asarray(prediction), np.asarray(label)
    if prediction.shape != label.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, and label {label.shape}; expected the same")
    kept = label != ignored
    true, predicted = label[kept].astype(np.int64), prediction[kept].astype(np.int64)
    for name, values in (("label", true), ("prediction", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(
                f"{name} holds {values.min()} to {values.max()}, expected 0 to {classes - 1}, or {ignored} in label"
            )
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def class_iou(confusion: ArrayLike) -> np.ndarray:
    """Return intersection over union of each class, (classes,), NaN where it occurs neither in labels nor in predictions."""
    confusion = np.asarray(confusion, np.float64)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def mean_iou(confusion: ArrayLike) -> float:
    """Return the mean of :func:`class_iou` over the classes that occur, in [0, 1].

    Raises:
        ValueError: the matrix is not square, or is empty.

    >>> mean_iou([[2, 0], [1, 1]])
    0.5833...
    """
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion has shape {confusion.shape}, expected (classes, classes)")
    if not confusion.sum():
        raise ValueError("confusion counts no pixel; every one was ignored, or there is none")
    return float(np.nanmean(class_iou(confusion)))


def _errors(name: str, values: ArrayLike) -> np.ndarray:
    found = np.atleast_1d(np.asarray(values, np.float64))
    if found.ndim != 1 or not found.size:
        raise ValueError(f"{name} has shape {found.shape}, expected one number or one a severity")
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"{name} holds {found.tolist()}, expected numbers in [0, 1]")
    return found
