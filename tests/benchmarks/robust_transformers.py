"""Robust transformers: the forward pass of FAN, corruptions and spectra, beside the packages that have their like."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from workbench.experiments.robust_transformers_lab import corrupt_and_predict, shipped_networks
from workbench.experiments.robust_transformers_train import held_out_images
from workbench.models.fan import VARIANTS
from workbench.models.fan.grouping import feature_spectrum
from workbench.ops.corruptions import CORRUPTIONS, SEVERITIES, corrupt

from .side_by_side import BenchmarkConfig, Comparison, Timing, side_by_side

HOW_TO_INSTALL = "`make bench` installs it, or pip install --no-deps -r tests/benchmarks/peers.txt"
TINY = "fan_tiny_12_p16_224"
TRANSFORMERS = {"XCiT-T12/p16": "xcit_tiny_12_p16_224", "DeiT-T": "deit_tiny_patch16_224"}
"""Of timm: the network whose stem and head FAN has, and the plain ViT of its size."""
SAME_ANSWER = ("defocus_blur", "brightness", "contrast", "pixelate", "jpeg_compression")
"""Corruptions that draw nothing, so that pixels can be compared."""


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    yield from forward(config)
    few = replace(config, repeats=min(config.repeats, 2))
    yield from beside_loop(photographs(8, 224, config.seed), few)
    yield from beside_loop(photographs(64, 64, config.seed), few)
    yield whole_benchmark(1000)
    yield spectra(config)
    yield slider(20)


def forward(config: BenchmarkConfig, batch: int = 4, side: int = 224) -> Iterator[Comparison]:
    """Classify images with FAN-T, as it is and compiled, and with two networks of timm."""
    try:
        import timm
    except ImportError as error:
        print(f"timm cannot be imported ({error}): {HOW_TO_INSTALL}")
        return
    network = VARIANTS[TINY]().eval()
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(config.seed))
    peers = {name: timm.create_model(model, pretrained=False).eval() for name, model in TRANSFORMERS.items()}
    ways = {"": network, ", torch.compile": torch.compile(network, fullgraph=True)}
    with torch.inference_mode():
        plain = network(images)
        for way, ours in ways.items():
            difference = float((ours(images) - plain).abs().max())
            for name, peer in peers.items():
                _, _, timing = side_by_side(_call(ours, images), _call(peer, images), 3 * config.repeats)
                yield Comparison(
                    subject="forward pass of a tiny vision transformer",
                    ours=f"{TINY}{way}",
                    peer=f"timm {TRANSFORMERS[name]}",
                    setting=f"{batch} images of {side} x {side}, one thread, CPU seconds",
                    timing=timing,
                    agreement=(
                        f"other networks; parameters {_millions(network)} and {_millions(peer)}"
                        + (f"; differs by {difference:.0e} from the pass that is not compiled" if way else "")
                    ),
                )


def beside_loop(images: np.ndarray, config: BenchmarkConfig) -> Iterator[Comparison]:
    """Corrupt images by all 15 corruptions at severity 3: as a batch, and one after the other."""
    try:
        import imagecorruptions
    except ImportError as error:
        print(f"imagecorruptions cannot be imported ({error}): {HOW_TO_INSTALL}")
        return
    count, side = images.shape[:2]
    rows = []
    for name in CORRUPTIONS:

        def theirs(name: str = name) -> np.ndarray:
            return np.stack([imagecorruptions.corrupt(one, severity=3, corruption_name=name) for one in images])

        mine, other, timing = side_by_side(lambda name=name: corrupt(images, name, 3), theirs, config.repeats)
        rows.append((name, timing, float(np.abs(mine.astype(float) - other).mean())))
    ours, peer = (sum(getattr(timing, field) for _, timing, _ in rows) for field in ("ours_seconds", "peer_seconds"))
    ratios = {name: timing.ratio for name, timing, _ in rows}
    least, most = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
    same = max(difference for name, _, difference in rows if name in SAME_ANSWER)
    yield Comparison(
        subject="the 15 corruptions of ImageNet-C at severity 3",
        ours="ops.corruptions.corrupt",
        peer="imagecorruptions-imaug corrupt, image by image",
        setting=f"{count} photographs of {side} x {side}, constants of ImageNet-C, CPU seconds",
        timing=Timing(ours, peer, ours / peer, ratios[least], ratios[most]),
        agreement=(
            f"{15 * count / ours:.0f} images a second, the peer {15 * count / peer:.0f}; by corruption from {ratios[least]:.2g} "
            f"({least}) to {ratios[most]:.2g} ({most}); where nothing is drawn pixels differ by {same:.2f} of 255 at most, "
            "the mean of a corruption"
        ),
    )


def whole_benchmark(count: int) -> Comparison:
    """Make all 75 sets of small images, as the experiment does."""
    images = held_out_images(count).images
    slowest: dict[str, float] = {}
    started = time.process_time()
    for name in CORRUPTIONS:
        before = time.process_time()
        for severity in SEVERITIES:
            corrupt(images, name, severity, constants="cifar")
        slowest[name] = time.process_time() - before
    seconds = time.process_time() - started
    name = max(slowest, key=slowest.get)
    return Comparison(
        subject="all 75 sets of corrupted images",
        ours="ops.corruptions.corrupt",
        peer="none",
        setting=f"75 x {count:,} images of 28 x 28, constants for small images, CPU seconds",
        timing=Timing(seconds, *[float("nan")] * 4),
        agreement=f"{75 * count / seconds:,.0f} images a second; slowest {name}, {slowest[name]:.2f} s for five severities",
    )


def spectra(config: BenchmarkConfig, side: int = 224) -> Comparison:
    """Take the spectrum of one image's tokens: 196 tokens of 192 channels."""
    network = VARIANTS[TINY](num_classes=10).eval()
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(config.seed))
    with torch.inference_mode():
        *_, (tokens, _, _) = network.token_stages(images)
    tokens = tokens[0].numpy().astype(float)
    centred = torch.from_numpy(tokens - tokens.mean(0))
    mine, theirs, timing = side_by_side(
        lambda: feature_spectrum(tokens), lambda: torch.linalg.svdvals(centred).square(), 4 * config.repeats
    )
    return Comparison(
        subject="spectrum of the tokens of one image",
        ours="feature_spectrum, with its checks",
        peer="torch.linalg.svdvals",
        setting=f"{tokens.shape[0]} tokens of {tokens.shape[1]} channels, float64, CPU seconds",
        timing=timing,
        agreement=f"largest difference {np.abs(mine - theirs.numpy()).max() / mine[0]:.0e} of the largest value",
    )


def slider(times: int) -> Comparison:
    """Move the slider of severity: a corrupted picture and what both shipped networks say of it, over all corruptions."""
    networks, picture, seconds = shipped_networks(), held_out_images(10).images[0], []
    for number in range(times):
        for name in CORRUPTIONS:
            started = time.perf_counter()
            corrupt_and_predict(picture, name, 1 + number % 5, seed=number, networks=networks)
            seconds.append(time.perf_counter() - started)
    return Comparison(
        subject="answer to one move of a slider",
        ours="corrupt_and_predict",
        peer="none",
        setting="one picture of 28 x 28, 15 corruptions, predictions of two networks, wall seconds",
        timing=Timing(float(np.median(seconds)), *[float("nan")] * 4),
        agreement=f"slowest of {len(seconds)}: {max(seconds):.3f} s",
    )


def photographs(count: int, side: int, seed: int) -> np.ndarray:
    """Return smooth colour images with edges, uint8 (count, side, side, 3): both ways take them the same, whatever they show."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((count, 3, 8, 8)))
    fine = nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    fine[:, :, side // 4 : side // 2, side // 3 :] *= 0.5
    return (fine.permute(0, 2, 3, 1) * 255).byte().numpy()


def _call(network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        with torch.inference_mode():
            return network(images)

    return run


def _millions(network: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.1f} million"
