"""Do tokens fall into groups, and does noise fade?  Spectra, affinities, clusters and decay of the tokens of any network.

Zhou et al., ICML 2022, section 2 and figures 1 and 3, which the authors publish no code for: the definitions here are this
package's own.  All in float64.  The control is the same network before training, and one without attention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans
from torch import Tensor, nn

Stages = Callable[[Tensor], Sequence[Tensor]]
"""What gives the tokens of images (B, c, H, W) at each depth, (B, N, C)."""


def feature_spectrum(tokens: ArrayLike) -> np.ndarray:
    """Return the squared singular values of the tokens less their mean, largest first; k distinct tokens have at most k - 1.

    Args:
        tokens: (N, C).

    Raises:
        ValueError: another shape, no token, or NaN or infinity.

    >>> feature_spectrum([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]).tolist()
    [4.0, 0.0]
    """
    tokens = _tokens(tokens)
    values = np.linalg.svd(tokens - tokens.mean(0), compute_uv=False) ** 2
    rounding = (np.finfo(float).eps * max(tokens.shape)) ** 2 * (tokens**2).sum()
    return np.where(values > rounding, values, 0.0)


def significant_count(spectrum: ArrayLike, tau: float = 0.01) -> int:
    """Return how many values are above ``tau`` times the largest; 0 where all are 0.

    Raises:
        ValueError: ``tau`` is not in [0, 1), or a value is negative.
    """
    spectrum = _spectrum(spectrum)
    if not 0 <= tau < 1:
        raise ValueError(f"tau must lie in [0, 1), got {tau}")
    return int((spectrum > tau * spectrum.max(initial=0.0)).sum())


def effective_rank(spectrum: ArrayLike) -> float:
    """Return ``exp(entropy)`` of the spectrum over its sum: k for k equal values, 0 where all are 0.

    Roy, Vetterli, "The Effective Rank", EUSIPCO 2007.

    >>> round(effective_rank([2.0, 2.0, 2.0, 0.0]), 9)
    3.0
    """
    spectrum = _spectrum(spectrum)
    if not spectrum.sum():
        return 0.0
    share = spectrum[spectrum > 0] / spectrum.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def affinity(tokens: ArrayLike) -> np.ndarray:
    """Return ``max(0, cos(z_i, z_j))``, (N, N).

    Raises:
        ValueError: as :func:`feature_spectrum`, or a token is 0, whose direction is not defined.
    """
    tokens = _tokens(tokens)
    lengths = np.linalg.norm(tokens, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"token {int(np.flatnonzero(lengths[:, 0] == 0)[0])} is 0; its cosine is not defined")
    unit = tokens / lengths
    return np.clip(unit @ unit.T, 0, 1)


def laplacian(affinities: ArrayLike) -> np.ndarray:
    """Return ``I - D^-1/2 A D^-1/2``; its eigenvalue 0 comes as often as the graph has connected components.

    Raises:
        ValueError: not square and symmetric, a value is negative, or a token has no affinity at all.
    """
    matrix = np.asarray(affinities, np.float64)
    if matrix.ndim != 2 or not len(matrix) or matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, matrix.T):
        raise ValueError(f"affinities has shape {matrix.shape}, expected a symmetric square matrix")
    degree = matrix.sum(1)
    if matrix.min() < 0 or not degree.all():
        raise ValueError("affinities must not be negative, and every token needs one")
    scale = degree**-0.5
    return np.eye(len(matrix)) - scale[:, None] * matrix * scale


def group_count(tokens: ArrayLike, most: int = 20) -> int:
    """Return the number of groups, 1 to ``most``, behind which the gap of the Laplacian's eigenvalues is the largest.

    Raises:
        ValueError: as :func:`affinity`, or ``most`` is below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    values = np.linalg.eigvalsh(laplacian(affinity(tokens)))[: most + 1]
    return int(np.diff(values).argmax()) + 1 if len(values) > 1 else 1


def spectral_groups(tokens: ArrayLike, groups: int, seed: int = 0) -> np.ndarray:
    """Return the group of each token, (N,), 0 to ``groups - 1``: k-means of the rows of the Laplacian's first eigenvectors.

    Ng, Jordan, Weiss, "On Spectral Clustering", NeurIPS 2001.

    Raises:
        ValueError: as :func:`affinity`, or ``groups`` is not between 1 and N.
    """
    matrix = affinity(tokens)
    if not 1 <= groups <= len(matrix):
        raise ValueError(f"groups must lie in 1 to {len(matrix)}, got {groups}")
    rows = np.linalg.eigh(laplacian(matrix))[1][:, :groups]
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
    return KMeans(groups, n_init=10, random_state=seed).fit(rows).labels_


@torch.no_grad()
def noise_decay(stages: Stages, images: Tensor, sigma: float = 0.1, seed: int = 0) -> np.ndarray:
    """Return, for each depth, the noise over the signal: ``|Z(x + e) - Z(x)| / |Z(x) less its mean token|``, mean over images.

    The norm below is of the centred tokens: a growing mean token would make any network look as if it removed noise.

    Args:
        stages: gives tokens at each depth; for :class:`Fan` that is ``token_list``. Call ``eval()`` on the network first.
        images: (B, c, H, W), as the network takes them.
        sigma: standard deviation of the Gaussian noise ``e``.
        seed: of the noise.

    Raises:
        ValueError: no image, ``sigma`` is not above 0, or the tokens of an image are all equal.
    """
    if not len(images) or not sigma > 0:
        raise ValueError(f"expected images and a sigma above 0, got {len(images)} images and {sigma}")
    drawn = np.random.default_rng(seed).standard_normal(tuple(images.shape))
    noisy = images + sigma * torch.from_numpy(drawn).to(images)
    ratios = []
    for depth, (clean, changed) in enumerate(zip(stages(images), stages(noisy), strict=True)):
        clean, changed = clean.double(), changed.double()
        signal = (clean - clean.mean(1, keepdim=True)).flatten(1).norm(dim=1)
        if not bool((signal > 0).all()):
            raise ValueError(
                f"all tokens of an image are equal at depth {depth}; noise has nothing to be measured against"
            )
        ratios.append(float(((changed - clean).flatten(1).norm(dim=1) / signal).mean()))
    return np.array(ratios)


def token_list(network: nn.Module) -> Stages:
    """Return what gives the tokens of a :class:`Fan` after its stem and behind each block."""
    return lambda images: [tokens for tokens, _, _ in network.token_stages(images)]


def map_list(modules: Sequence[nn.Module]) -> Stages:
    """Return what gives the maps (B, C, H, W) behind each of some modules that follow one another, as tokens: the control."""

    def run(images: Tensor) -> list[Tensor]:
        found = []
        for module in modules:
            images = module(images)
            found.append(images.flatten(2).transpose(1, 2))
        return found

    return run


def _tokens(tokens: ArrayLike) -> np.ndarray:
    values = tokens.detach().cpu().numpy() if isinstance(tokens, Tensor) else tokens
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"tokens has shape {array.shape}, expected (N, C) of at least one")
    if not np.isfinite(array).all():
        raise ValueError("tokens holds NaN or infinity, expected finite values")
    return array


def _spectrum(spectrum: ArrayLike) -> np.ndarray:
    array = np.asarray(spectrum, np.float64)
    if array.ndim != 1 or not (array >= 0).all():
        raise ValueError(f"spectrum has shape {array.shape}, expected values (K,) that are not negative")
    return array
