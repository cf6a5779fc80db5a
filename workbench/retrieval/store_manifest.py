"""The manifest of a feature store: what it was made for, and the checksum of every shard."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.datasets import atomic_write
from workbench.retrieval.backbone import Recipe, recipe_hash
from workbench.retrieval.compression import Encoding, Projection

MANIFEST = "manifest.json"
PROJECTIONS = "projections.npz"
FORMAT = {"format": "feature store", "version": 1}


@dataclass(frozen=True)
class Manifest:
    """What a store was made for.

    Attributes:
        recipe: of the backbone that made the features.
        encoding: how they are kept.
        canvas_size: (height, width) to which the pictures were scaled; None if they were not.
        shard_size: pictures per shard, at most.
        source: digest of the store that this one was compressed from; empty if it was not.
        planned: how many shards the store is to have; None if nobody said.
    """

    recipe: Recipe
    encoding: Encoding
    canvas_size: tuple[int, int] | None
    shard_size: int
    source: str = ""
    planned: int | None = None

    def expect(self, path: Path, recipe: Recipe | None, encoding: Encoding | None) -> None:
        """Raise ValueError, naming both hashes, where the store at ``path`` has another recipe or encoding than the given one."""
        if recipe is not None and (came := recipe_hash(self.recipe)) != (expected := recipe_hash(recipe)):
            raise ValueError(f"the store {path} was made by the backbone {came}, not by {expected}")
        if encoding is not None and self.encoding.digest != encoding.digest:
            raise ValueError(f"the store {path} has the encoding {self.encoding.digest}, not {encoding.digest}")


def write_manifest(
    path: Path, manifest: Manifest, shards: Mapping[int, tuple[int, str]], *, projections: bool = False
) -> None:
    """Write the manifest of the store at ``path``.

    Args:
        path: of the store.
        manifest: what it is for.
        shards: number -> (pictures, checksum).
        projections: also write the matrices of the encoding, which never change.
    """
    if projections:
        matrices = {str(stride): one.matrix for stride, one in manifest.encoding.projections.items()}
        np.savez(path / PROJECTIONS, **matrices)
    values = FORMAT | {
        "recipe": dict(manifest.recipe),
        "recipe_hash": recipe_hash(manifest.recipe),
        "encoding": manifest.encoding.recipe,
        "canvas_size": None if manifest.canvas_size is None else list(manifest.canvas_size),
        "shard_size": manifest.shard_size,
        "source": manifest.source,
        "planned": manifest.planned,
        "shards": [
            {"number": number, "images": images, "checksum": checksum}
            for number, (images, checksum) in sorted(shards.items())
        ],
    }
    with atomic_write(path / MANIFEST) as temporary:
        temporary.write_text(json.dumps(values, indent=1))


def read_manifest(path: Path) -> tuple[Manifest, dict[int, str]]:
    """Return the manifest of the store at ``path``, and number -> checksum of its shards.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: a file is damaged; the message names it.
    """
    if not (path / MANIFEST).is_file():
        raise FileNotFoundError(f"no feature store at {path}: it has no {MANIFEST}")
    try:
        values = json.loads((path / MANIFEST).read_text())
        if {name: values[name] for name in FORMAT} != FORMAT:
            raise ValueError(f"expected {FORMAT}")
        if values["recipe_hash"] != recipe_hash(values["recipe"]):
            raise ValueError("recipe_hash is not that of recipe")
        canvas = None if values["canvas_size"] is None else tuple(values["canvas_size"])
        stored = values["encoding"]
        dtype, residual = stored["dtype"], stored["residual"]
        rest = (values["shard_size"], values["source"], values["planned"])
        checksums = {int(one["number"]): str(one["checksum"]) for one in values["shards"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path / MANIFEST} is damaged: {error!r}") from None
    try:
        with np.load(path / PROJECTIONS, allow_pickle=False) as file:
            projections = {int(stride): Projection(file[stride]) for stride in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path / PROJECTIONS} is damaged: {error}") from None
    encoding = Encoding(dtype, projections, residual)
    if encoding.recipe != stored:
        raise ValueError(f"{path / PROJECTIONS} is damaged: its projections are not those that {MANIFEST} names")
    return Manifest(values["recipe"], encoding, canvas, *rest), checksums
