"""A feature store: the features of a pool of any size in a folder of shards, written once and then mapped, never loaded."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from workbench.datasets import SkippedImage
from workbench.datasets.files import atomic_folder
from workbench.retrieval.backbone import Recipe, recipe_hash
from workbench.retrieval.compression import Encoding
from workbench.retrieval.features import Features
from workbench.retrieval.mining import Shard
from workbench.retrieval.store_files import (
    RECORD,
    ShardRecord,
    damaged_files,
    map_array,
    read_index,
    read_record,
    read_shard,
    shard_folder,
    sweep,
    write_shard,
)
from workbench.retrieval.store_manifest import MANIFEST, Manifest, read_manifest, write_manifest

SHARD_SIZE = 4096
_SHARD = re.compile(r"shard-(\d{5,})")


class FeatureStore:
    """Features of a pool of pictures on the disk (section 5).

    A folder with a manifest and one folder per shard: a contiguous array (n, h, w, d) per stride, an index of the pictures, and
    checksums. Each shard appears whole or not at all, so that a killed run loses only the shards that were under way.

    Made by :meth:`create` or :meth:`open`.

    Attributes:
        path: the folder.
        manifest: what was asked for when it was made: recipe, encoding, canvas_size, shard_size, source, planned.
        records: number of a shard -> its record, of the shards that are there.

    >>> import tempfile, torch
    >>> from workbench.retrieval import Letterbox
    >>> store = FeatureStore.create(Path(tempfile.mkdtemp()) / "pool", {"network": "mine"}, shard_size=2)
    >>> for names in (("a", "b"), ("c",)):
    ...     features = Features({8: torch.randn(len(names), 5, 4, 6)}, [Letterbox.fit((32, 48))] * len(names))
    ...     _ = store.append(Shard(names, features))
    >>> len(store), [shard.features[8].shape[0] for shard in store], store.select(["c", "a"]).image_ids
    (3, [2, 1], ('c', 'a'))
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest
        self.records: dict[int, ShardRecord] = {}

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        recipe: Recipe,
        *,
        encoding: Encoding | None = None,
        canvas_size: tuple[int, int] | None = None,
        shard_size: int = SHARD_SIZE,
        source: str = "",
        planned: int | None = None,
    ) -> FeatureStore:
        """Make a store in a new or empty folder, or return the same store if it is there already, to be continued.

        Args:
            path: of the folder.
            recipe: of the backbone.
            encoding: default half precision, all channels.
            canvas_size: (height, width) to which the pictures are scaled; None if they are not.
            shard_size: pictures per shard, at most.
            source: digest of the store that this one is compressed from.
            planned: how many shards there shall be, so that a reader can tell a store that is not finished.

        Raises:
            FileExistsError: the folder holds something else; nothing of it is touched.
            ValueError: the store that is there has another recipe, encoding, canvas, shard size or source; or a file of it is
                damaged (a shard that is missing is no error: it can be written again).
        """
        path = Path(path).expanduser().absolute()
        if shard_size < 1:
            raise ValueError(f"shard_size must be at least 1, got {shard_size}")
        manifest = Manifest(dict(recipe), encoding or Encoding(), canvas_size, shard_size, source, planned)
        if not (path / MANIFEST).is_file():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise FileExistsError(f"{path} is no feature store and not empty: choose a new or empty folder")
            with suppress(FileExistsError), atomic_folder(path) as temporary:  # another process may be first
                write_manifest(temporary, manifest, {}, projections=True)
        stored, _ = read_manifest(path)
        stored.expect(path, manifest.recipe, manifest.encoding)
        for name in ("canvas_size", "shard_size", "source"):
            if getattr(stored, name) != getattr(manifest, name):
                came, expected = getattr(stored, name), getattr(manifest, name)
                raise ValueError(f"the store {path} has {name} {came!r}, not {expected!r}")
        store = cls(path, manifest if planned is not None else stored)
        store._read_records({})
        for number in store.records:
            sweep(store.folder(number))
        store.save()
        return store

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], recipe: Recipe | None = None, encoding: Encoding | None = None
    ) -> FeatureStore:
        """Return the store in a folder.

        Args:
            path: of the folder.
            recipe: of the backbone that made the templates: the store must have been made by the same one.
            encoding: that the store must have.

        Raises:
            FileNotFoundError: there is no store, or a shard or one of its files is missing.
            ValueError: the store was made with another recipe or encoding, the message names both hashes; or a file is damaged,
                the message names it.
        """
        path = Path(path).expanduser().absolute()
        manifest, checksums = read_manifest(path)
        manifest.expect(path, recipe, encoding)
        store = cls(path, manifest)
        store._read_records(checksums)
        return store

    def __len__(self) -> int:
        return sum(record.images for record in self.records.values())

    def __iter__(self) -> Iterator[Shard]:
        """Yield the shards in order, mapped, so that the memory stays flat: keep none longer than needed."""
        return (self.shard(number) for number in self.numbers)

    @property
    def numbers(self) -> list[int]:
        """Of the shards that hold pictures, in order."""
        return [number for number, record in sorted(self.records.items()) if record.images]

    @property
    def ends(self) -> np.ndarray:
        """Position in the pool behind the last picture of each of :attr:`numbers`."""
        return np.cumsum([self.records[number].images for number in self.numbers])

    @property
    def strides(self) -> tuple[int, ...]:
        """Of the features, the finest first; empty before the first shard is there."""
        return next((tuple(sorted(self.records[number].maps)) for number in self.numbers), ())

    @property
    def missing(self) -> list[int]:
        """Numbers of planned shards that are not there yet."""
        return [number for number in range(self.manifest.planned or 0) if number not in self.records]

    @property
    def skipped(self) -> list[SkippedImage]:
        """Pictures that could not be read, and why."""
        return [one for _, record in sorted(self.records.items()) for one in record.skipped]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of everything in the store: recipe, encoding, and the checksums of the shards."""
        parts = [
            recipe_hash(self.manifest.recipe),
            self.manifest.encoding.digest,
            *(self.records[key].checksum for key in sorted(self.records)),
        ]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    def shard(self, number: int) -> Shard:
        """Return one shard, mapped."""
        return read_shard(self.folder(number))

    def residual(self, number: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what :class:`~workbench.retrieval.compression.Encoded` calls residual and error, mapped."""
        return tuple(map_array(self.folder(number) / f"{name}-{stride}.npy") for name in ("residual", "error"))

    def image_ids(self) -> Iterator[tuple[str, ...]]:
        """Yield the names of each shard's pictures, without touching their features."""
        return (read_index(self.folder(number)).image_ids for number in self.numbers)

    def take(self, positions: Sequence[int]) -> Shard:
        """Return copies of the pictures at ``positions`` of the pool, counted through the shards, in the order asked for.

        Raises:
            ValueError: there is no position, or one is outside the pool.
        """
        positions, numbers, ends = np.asarray(positions, int), self.numbers, self.ends
        if not len(positions):
            raise ValueError("positions is empty, expected at least one")
        if positions.min() < 0 or positions.max() >= len(self):
            reach = f"from {positions.min()} to {positions.max()}"
            raise ValueError(f"positions reach {reach} in a pool of {len(self)} pictures")
        which = np.searchsorted(ends, positions, side="right")
        parts, order = [], []
        for index in np.unique(which):
            order.append(np.flatnonzero(which == index))
            first = ends[index] - self.records[numbers[index]].images
            parts.append(read_shard(self.folder(numbers[index]), positions[order[-1]] - first))
        if len({bool(part.groups) for part in parts}) > 1:
            raise ValueError(f"some shards of {self.path} have groups and others have none")
        back = np.argsort(np.concatenate(order))
        ids, groups = ([name for part in parts for name in getattr(part, kind)] for kind in ("image_ids", "groups"))
        features = Features.concatenate([part.features for part in parts]).select(back.tolist())
        return Shard(tuple(ids[row] for row in back), features, tuple(groups[row] for row in back) if groups else ())

    def select(self, image_ids: Sequence[str]) -> Shard:
        """Return copies of the pictures of these names, in the order asked for.

        Raises:
            ValueError: a name is not in the pool.
        """
        wanted, places, first = set(image_ids), {}, 0
        for names in self.image_ids():
            places |= {name: first + row for row, name in enumerate(names) if name in wanted}
            first += len(names)
        if lacking := [name for name in image_ids if name not in places]:
            raise ValueError(f"{len(lacking)} of the image_ids are not in {self.path}, such as {lacking[0]!r}")
        return self.take([places[name] for name in image_ids])

    def append(
        self, shard: Shard, *, skipped: Sequence[SkippedImage] = (), paths: Mapping[str, str] | None = None
    ) -> ShardRecord:
        """Write a shard after the last one.

        Raises:
            ValueError: it has more than ``shard_size`` pictures, or other maps than the shards before it.
        """
        if len(shard.image_ids) > self.manifest.shard_size:
            most = self.manifest.shard_size
            raise ValueError(f"shard has {len(shard.image_ids)} pictures, the store's have at most {most}")
        return self.write(max(self.records, default=-1) + 1, [shard], skipped=skipped, paths=paths)

    def write(
        self,
        number: int,
        parts: Iterable[Shard],
        *,
        entries: str = "",
        skipped: Sequence[SkippedImage] = (),
        paths: Mapping[str, str] | None = None,
    ) -> ShardRecord:
        """Write the shard of that number from its parts, see :func:`~workbench.retrieval.store_files.write_shard`."""
        maps = self.records[self.numbers[0]].maps if self.numbers else None
        facts = {"entries": entries, "paths": paths, "skipped": skipped, "maps": maps}
        write_shard(self.folder(number), parts, self.manifest.encoding, **facts)
        return self.add(number)

    def add(self, number: int) -> ShardRecord:
        """Take up a shard that another process has written, and bring the manifest up to date.

        Raises:
            FileNotFoundError, ValueError: it is not there, or damaged.
        """
        self.records[number] = record = read_record(self.folder(number))
        sweep(self.folder(number))
        self.save()
        return record

    def verify(self) -> None:
        """Read every file and compare its SHA-256.

        Raises:
            ValueError: the content of files has changed; the message names them.
        """
        if damaged := [name for number in sorted(self.records) for name in damaged_files(self.folder(number))]:
            which = ", ".join(damaged)
            raise ValueError(f"{len(damaged)} files are damaged, their content is not what was written: {which}")

    def folder(self, number: int) -> Path:
        """Return the folder of a shard."""
        return shard_folder(self.path, number)

    def save(self) -> None:
        """Write the manifest."""
        checksums = {number: (record.images, record.checksum) for number, record in sorted(self.records.items())}
        write_manifest(self.path, self.manifest, checksums)

    def _read_records(self, listed: Mapping[int, str]) -> None:
        """Read the records of all shards that are there; those ``listed`` must be, and unchanged."""
        there = {int(match[1]) for path in self.path.iterdir() if (match := _SHARD.fullmatch(path.name))}
        for number in sorted(there | listed.keys()):
            folder = self.folder(number)
            try:
                record = read_record(folder)
                if listed.get(number, record.checksum) != record.checksum:
                    raise ValueError(f"{folder / RECORD} is damaged: it is not the record that {MANIFEST} lists")
            except (FileNotFoundError, ValueError) as error:
                raise type(error)(f"{error}; to have the shard written again, remove {folder}") from None
            self.records[number] = record
