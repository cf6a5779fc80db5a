"""The table of claims of paper 7: what the abstract says, the paper's numbers, and the numbers measured here."""

from __future__ import annotations

import pandas as pd

from workbench.experiments.claim_values import NOT_MEASURED, Judge, Measured, judged
from workbench.experiments.robust_transformers_config import CNN, DESIGNS, FAN, VIT
from workbench.experiments.robust_transformers_paper import MCE_TABLE_6, MILLION_PARAMETERS, RETENTION
from workbench.models.fan import VARIANTS

GATED_ONLY = "DW + LN_v"
"""FAN without its gate: what is left of the block when channels are not attended to."""
STEADY = 0.05
"""A change with depth, as a share, that does not count."""


def claims(results: pd.DataFrame) -> pd.DataFrame:
    """Return the claims of the abstract beside the measured numbers.

    Args:
        results: what :func:`workbench.experiments.robust_transformers.run` returned, or the stored table.

    Returns:
        Columns ``claim``, ``statement``, ``paper``, ``measured``, ``holds`` (yes, partly or no, by the numbers; or not measured).
    """
    return judged(CLAIMS, results)


def _grouping(value: Measured) -> tuple[str, str]:
    parts = []
    for network in (VIT, FAN, CNN):
        trained, untrained = f"{network}, trained", f"{network}, untrained"
        parts.append(
            f"{network} {value.text(trained, 'effective rank, stem', 1)} -> {value.text(trained, 'effective rank, last block', 1)} "
            f"and {value.text(trained, 'noise ratio, stem')} -> {value.text(trained, 'noise ratio, last block')} (untrained "
            f"{value(untrained, 'effective rank, stem'):.1f} -> {value(untrained, 'effective rank, last block'):.1f} and "
            f"{value(untrained, 'noise ratio, stem'):.2f} -> {value(untrained, 'noise ratio, last block'):.2f})"
        )
    changes = ("effective rank, change", "noise ratio, change")
    falls = {
        network: [value(f"{network}, trained", quantity) < -STEADY for quantity in changes]
        for network in (VIT, FAN, CNN)
    }
    flat = all(abs(value(f"{VIT}, untrained", quantity)) < STEADY for quantity in changes)
    every = all(falls[VIT]) and all(falls[FAN]) and flat and not any(falls[CNN])
    text = f"Effective rank of the tokens and noise over signal, stem -> last block: {'; '.join(parts)}"
    return text, "yes" if every else "partly" if all(falls[VIT]) and flat else "no"


def _bottleneck(value: Measured) -> tuple[str, str]:
    counts = {beta: value(f"attention repeated 5 times, beta {beta}", "significant values") for beta in (1, 8, 32)}
    start, right = (
        value("tokens before", "significant values"),
        value("information bottleneck, beta 8", "pairs kept right"),
    )
    text = (
        f"60 tokens in 3 noisy groups, {start:.0f} significant values. Attention without weights, five times: {counts[1]:.0f} at "
        f"beta 1 (one point), {counts[8]:.0f} at 8 (the three groups), {counts[32]:.0f} at 32 (hardly moved). The information "
        f"bottleneck at beta 8 puts {100 * right:.0f} % of the pairs together or apart as their groups are. The softmax of the "
        "proposition runs over clusters, that of attention over keys"
    )
    return text, "yes" if counts[8] == 2 and right > 0.95 else "partly"


def _channels(value: Measured) -> tuple[str, str]:
    order = [VIT, *(name for name in DESIGNS if name not in (VIT, FAN)), FAN, CNN]
    listing = "; ".join(
        f"{name} {value.text(name, 'clean accuracy')}, {value.text(name, 'corrupted accuracy')}, {value(name, 'retention'):.2f}, "
        f"{value(name, 'mCE, linear reference'):.0f}"
        for name in order
    )
    gains = [value.clear(f"{FAN} less {VIT}", quantity) for quantity in ("clean", "corrupted", "retention")]
    gate = value.clear(f"{FAN} less {GATED_ONLY}", "corrupted")
    text = (
        f"Clean, corrupted accuracy, retention, mCE by the linear classifier: {listing}. {FAN} less {VIT}: clean "
        f"{value.text(f'{FAN} less {VIT}', 'clean')}, corrupted {value.text(f'{FAN} less {VIT}', 'corrupted')}. {FAN} less the "
        f"same block without its gate: {value.text(f'{FAN} less {GATED_ONLY}', 'corrupted', 3)} corrupted"
    )
    return text, "yes" if min(*gains, gate) == 1 else "partly" if gains[1] == 1 else "no"


def _gate(value: Measured) -> tuple[str, str]:
    trained, untrained = f"{FAN}, trained", f"{FAN}, untrained"
    changed = value(trained, "predictions changed by frozen gates")
    text = (
        f"Gates over their temperature lie in {value(trained, 'lowest gate'):.4f} to {value(trained, 'highest gate'):.4f} after "
        f"training ({value(untrained, 'lowest gate'):.4f} to {value(untrained, 'highest gate'):.4f} before); bounds are 0.5 and "
        f"0.7311, and sigmoid(1/49) is 0.5051. All gates frozen there, {100 * changed:.1f} % of the predictions change, and a "
        f"logit by at most {value(trained, 'largest change of a logit by frozen gates'):.3f}"
    )
    return text, "no" if changed < 0.01 else "partly" if changed < 0.05 else "yes"


def _backbones(value: Measured) -> tuple[str, str]:
    sizes = {name: value(name, "parameters") for name in VARIANTS}
    worst = max(abs(sizes[name] / paper - 1) for name, paper in MILLION_PARAMETERS.items())
    least, most = min(sizes.values()), max(sizes.values())
    text = (
        f"{len(sizes)} published variants are built by name, {least:.1f} to {most:.1f} million parameters, within "
        f"{100 * worst:.1f} % of what the paper prints; tests hold names, sizes and logits to those of the published network. No "
        "robustness of theirs is measured here: it needs the published weights and ImageNet-C"
    )
    return text, "partly"


def _outside(what: str) -> Judge:
    return lambda value: (f"Not measured: {what}", NOT_MEASURED)


_TABLE_6 = ", ".join(f"{name} {mce}" for name, mce in MCE_TABLE_6.items())

CLAIMS: dict[str, tuple[str, str, Judge]] = {
    "C1": (
        "Groups of tokens emerge in vision transformers: with depth they collapse into a few clusters, and noise fades",
        "Figure 3: significant eigenvalues and the magnitude of noise fall block by block; not so in ResNet-50",
        _grouping,
    ),
    "C2": (
        "Self-attention does the grouping: it is a step of an information bottleneck",
        "Proposition 2.1",
        _bottleneck,
    ),
    "C3": (
        "Attending along channels as well makes networks more robust",
        f"Table 6, FAN-ViT-S, mCE by AlexNet: {_TABLE_6}; retention {RETENTION[VIT]} -> {RETENTION[FAN]}",
        _channels,
    ),
    "C3, gate": (
        "It is the channels' attention that does it",
        "The gate of equation 7 reweights channels by how they agree with a prototype of the tokens",
        _gate,
    ),
    "C4": (
        "It works on several backbones",
        "FAN-ViT, FAN-Hybrid, FAN-Swin; Swin-T with it: accuracy on ImageNet-C 55.4 -> 59.4 %",
        _backbones,
    ),
    "C5": (
        "87.1 % on ImageNet-1k and 35.8 % mCE with 76.8 million parameters",
        "Two runs of FAN-L-Hybrid with ImageNet-22k: 87.1 % at 384 pixels; 35.8 % mCE at 224, where clean is 86.5 %",
        _outside("it needs the published weights, ImageNet and ImageNet-C; loaders, metric and recipe are here"),
    ),
    "C6": (
        "Robust in segmentation and detection too",
        "FAN-L-Hybrid: Cityscapes 82.3 and Cityscapes-C 68.7 mIoU; COCO 55.1 and COCO-C 42.0 mAP",
        _outside("it needs the published weights, Cityscapes and COCO; the segmenter, its loader and mIoU are here"),
    ),
}
