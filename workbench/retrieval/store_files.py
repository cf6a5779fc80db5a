"""One shard of a feature store on the disk: a folder of arrays, an index of its pictures, and a record of checksums."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from workbench.datasets import SkippedImage, sha256
from workbench.datasets.files import atomic_folder
from workbench.retrieval.compression import Encoding, encode
from workbench.retrieval.features import Features, Letterbox
from workbench.retrieval.mining import Shard

INDEX = "index.csv"
LETTERBOXES = "letterboxes.npy"
RECORD = "shard.json"
INDEX_COLUMNS = ("image_id", "group", "height", "width", "content_height", "content_width", "path")
_MAP = re.compile(r"stride-(\d+)\.npy")
_TEXT = {"encoding": "utf-8", "errors": "surrogatepass", "newline": ""}  # file names need not be text


@dataclass(frozen=True)
class ShardRecord:
    """What a store knows of a shard without reading its arrays.

    Attributes:
        images: how many pictures it holds.
        entries: digest of what was asked for: names and groups, unreadable pictures included.
        maps: stride -> (h, w, d).
        skipped: pictures that could not be read.
        files: file name -> (bytes, SHA-256).
        checksum: SHA-256 of the record itself, which stands for all of these.
    """

    images: int
    entries: str
    maps: Mapping[int, tuple[int, int, int]]
    skipped: tuple[SkippedImage, ...]
    files: Mapping[str, tuple[int, str]]
    checksum: str = field(default="")


@dataclass(frozen=True)
class Index:
    """The pictures of a shard, in its order: names, groups (or empty), and paths (or empty strings)."""

    image_ids: tuple[str, ...]
    groups: tuple[str, ...]
    paths: tuple[str, ...]


def shard_folder(store: Path, number: int) -> Path:
    """Return the folder of a shard."""
    return store / f"shard-{number:05d}"


def sweep(folder: Path) -> None:
    """Remove what killed writers of a shard that is there left beside it."""
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left, ignore_errors=True)


def write_shard(
    folder: Path,
    parts: Iterable[Shard],
    encoding: Encoding,
    *,
    entries: str = "",
    paths: Mapping[str, str] | None = None,
    skipped: Sequence[SkippedImage] = (),
    maps: Mapping[int, tuple[int, int, int]] | None = None,
) -> ShardRecord:
    """Write a shard from its parts, which are read one by one, and return its record.

    The folder appears whole or not at all, with the same bytes for the same parts. If another process has written it by then,
    that one stays.

    Args:
        folder: of the shard.
        parts: consecutive pictures.
        encoding: of the store.
        entries: digest of what was asked for.
        paths: image id -> file.
        skipped: pictures that could not be read; a list may grow while the parts are read.
        maps: stride -> (h, w, d) that the shard must have, where another one has them already.

    Raises:
        ValueError: the parts have maps of different or other sizes, only some have groups, or they cannot be encoded.
    """
    try:
        with atomic_folder(folder) as temporary:
            _write_parts(temporary, parts, encoding, entries, paths or {}, skipped)
            written = read_record(temporary)
            if maps is not None and written.images and written.maps != maps:
                raise ValueError(f"the maps of {folder.name} are {written.maps}, those of the other shards {maps}")
    except OSError:  # the folder is there, and its writer may have swept up what this one had
        if not (folder / RECORD).is_file():
            raise
    return read_record(folder)


def read_record(folder: Path) -> ShardRecord:
    """Return the record of a shard, after a look at the sizes of its files.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the record is damaged, or a file has another size than it says.
    """
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(f"no {RECORD} in the shard {folder}")
    content = path.read_bytes()
    try:
        values = json.loads(content)
        record = ShardRecord(
            int(values["images"]),
            str(values["entries"]),
            {int(stride): tuple(shape) for stride, shape in values["maps"].items()},
            tuple(SkippedImage(*one) for one in values["skipped"]),
            {name: (int(size), str(digest)) for name, (size, digest) in values["files"].items()},
            hashlib.sha256(content).hexdigest(),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from None
    for name, (size, _) in record.files.items():
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing from the shard")
        if (came := (folder / name).stat().st_size) != size:
            raise ValueError(f"{folder / name} is damaged: it has {came} bytes, expected {size}")
    return record


def damaged_files(folder: Path) -> list[str]:
    """Return the files of a shard whose content is not what was written, by their SHA-256."""
    return [
        str(folder / name) for name, (_, digest) in read_record(folder).files.items() if sha256(folder / name) != digest
    ]


def read_index(folder: Path) -> Index:
    """Return the pictures of a shard.

    Raises:
        ValueError: the index is damaged.
    """
    path = folder / INDEX
    try:
        with open(path, **_TEXT) as file:
            header, *rows = csv.reader(file)
        if tuple(header) != INDEX_COLUMNS:
            raise ValueError(f"columns {header}")
        ids, groups, paths = (tuple(row[column] for row in rows) for column in (0, 1, 6))
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return Index(ids, groups if any(groups) else (), paths)


def map_array(path: Path) -> np.ndarray:
    """Return an array of a shard without reading it: the system fetches pages as they are used, and drops them as it likes.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return np.load(path, mmap_mode="c", allow_pickle=False)  # never written back
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def read_features(folder: Path, rows: Sequence[int] | None = None, strides: Collection[int] | None = None) -> Features:
    """Return the features of a shard, mapped; or copies of some of its pictures, in the order of ``rows``; default all strides."""
    maps, rows = {}, None if rows is None else np.asarray(rows, int)
    for path in sorted(folder.iterdir()):
        if (found := _MAP.fullmatch(path.name)) and (strides is None or int(found[1]) in strides):
            array = map_array(path)
            maps[int(found[1])] = torch.from_numpy(array if rows is None else np.asarray(array[rows])).permute(
                0, 3, 1, 2
            )
    sizes = map_array(folder / LETTERBOXES)
    sizes = list(map(tuple, (sizes if rows is None else sizes[rows]).tolist()))
    placed = {size: Letterbox(size[:2], size[2:]) for size in set(sizes)}  # most pictures lie alike
    return Features(maps, [placed[size] for size in sizes])


def read_shard(folder: Path, rows: Sequence[int] | None = None) -> Shard:
    """Return a shard, mapped; or copies of some of its pictures, in the order of ``rows``."""
    index, features = read_index(folder), read_features(folder, rows)
    if rows is None:
        return Shard(index.image_ids, features, index.groups)
    groups = tuple(index.groups[row] for row in rows) if index.groups else ()
    return Shard(tuple(index.image_ids[row] for row in rows), features, groups)


class _Arrays:
    """``.npy`` files that grow along their first axis."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[object, np.dtype, tuple[int, ...], int]] = {}

    def append(self, name: str, values: np.ndarray) -> None:
        if name not in self._open:
            file = open(self._folder / name, "wb")  # noqa: SIM115 (closed by close)
            self._open[name] = (file, values.dtype, values.shape[1:], 0)
            self._header(name)
        file, dtype, shape, count = self._open[name]
        if values.shape[1:] != shape or values.dtype != dtype:
            raise ValueError(f"{name} holds maps of {shape}, then came one of {values.shape[1:]}: all need one canvas")
        file.write(np.ascontiguousarray(values).data)
        self._open[name] = (file, dtype, shape, count + len(values))

    def finish(self) -> dict[int, list[int]]:
        """Write how many rows there are, and return stride -> shape of a row of the feature maps."""
        for name, (file, *_) in self._open.items():
            file.seek(0)
            self._header(name)
        self.close()
        found = {name: _MAP.fullmatch(name) for name in self._open}
        return {int(match[1]): list(self._open[name][2]) for name, match in found.items() if match}

    def close(self) -> None:
        for file, *_ in self._open.values():
            file.close()

    def _header(self, name: str) -> None:
        # numpy leaves room for the first axis to grow, so that the header keeps its length
        file, dtype, shape, count = self._open[name]
        facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(file, facts)


def _write_parts(
    folder: Path,
    parts: Iterable[Shard],
    encoding: Encoding,
    entries: str,
    paths: Mapping[str, str],
    skipped: Sequence[SkippedImage],
) -> None:
    with closing(_Arrays(folder)) as arrays:
        rows, grouped = [], set()
        for part in parts:
            grouped.add(bool(part.groups))
            if len(grouped) > 1:
                raise ValueError("some parts of a shard have groups and others have none")
            for stride in part.features.strides:
                encoded = encode(part.features[stride], encoding, stride)
                arrays.append(f"stride-{stride}.npy", encoded.values)
                if encoded.residual is not None:
                    arrays.append(f"residual-{stride}.npy", encoded.residual)
                    arrays.append(f"error-{stride}.npy", encoded.error)
            groups = part.groups or ("",) * len(part.image_ids)
            for name, group, placed in zip(part.image_ids, groups, part.features.letterboxes, strict=True):
                rows.append((name, group, *placed.image_size, *placed.content_size, paths.get(name, "")))
        shapes = arrays.finish()
        with open(folder / INDEX, "w", **_TEXT) as file:
            csv.writer(file).writerows([INDEX_COLUMNS, *rows])
        np.save(folder / LETTERBOXES, np.array([row[2:6] for row in rows], np.int32).reshape(-1, 4))
        _write_record(folder, len(rows), entries, shapes, skipped)


def _write_record(
    folder: Path, images: int, entries: str, shapes: Mapping[int, list[int]], skipped: Sequence[SkippedImage]
) -> None:
    files = {path.name: [path.stat().st_size, sha256(path)] for path in sorted(folder.iterdir())}
    record = {
        "images": images,
        "entries": entries,
        "maps": {str(stride): shape for stride, shape in sorted(shapes.items())},
        "skipped": [[one.id, one.reason] for one in skipped],
        "files": files,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1))
