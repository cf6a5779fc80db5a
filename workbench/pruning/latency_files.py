"""Latency tables in files: CSV, JSON, the pickle of the published code, and the YAML of once-for-all networks."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from workbench.datasets.files import atomic_write
from workbench.pruning.conv_spec import ConvSpec, read_size, size_text
from workbench.pruning.latency_table import LatencyTable
from workbench.pruning.plain_pickle import load_plain_pickle

COLUMNS = ("batch", "cin", "cout", "fmap", "kernel", "stride", "groups", "dilation", "ms")
OPTIONAL = {"groups": "1", "dilation": "1"}

_ONCE_FOR_ALL = re.compile(r"(Conv|Conv_1|Conv_2)-input:(\d+)x(\d+)x(\d+)-output:(\d+)x(\d+)x(\d+)")
_MARK = re.compile(r"#\s*([^:]+):\s*(.*)")


def load_latency_table(
    path: str | os.PathLike[str], *, measure: Callable[[ConvSpec], float] | None = None, missing: str = "error"
) -> LatencyTable:
    """Read a latency table; the suffix of the file says how.

    - ``.csv``: columns batch, cin, cout, fmap, kernel, stride, groups, dilation, ms (groups and dilation are 1 where they have no
      column); lines ``# name: value`` before say where it comes from.
    - ``.json``: a list of such rows, ``{"about": {...}, "rows": [...]}``, or ``{key: ms}``.
    - ``.pkl``: the published form, ``{key: ms}``.  A pickle that names any class or function is refused and not run.
    - ``.yaml``: of once-for-all networks (Cai et al., ICLR 2020), one image at a time.  Only its plain convolutions become rows;
      its blocks of several layers are counted in ``about["left out"]``.

    Args:
        path: the file.
        measure: as for :class:`LatencyTable`, as is ``missing``.
        missing: see there.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another suffix, or a file that cannot be read; the message names the row.
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".json": _read_json, ".pkl": _read_pickle, ".yaml": _read_yaml, ".yml": _read_yaml}
    if path.suffix not in readers:
        raise ValueError(f"{path} has the suffix {path.suffix!r}, expected one of {', '.join(readers)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no latency table at {path}")
    try:
        entries, about = readers[path.suffix](path)
        return LatencyTable(entries, measure=measure, missing=missing, about=about)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not readable: {error}") from None
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def save_latency_table(table: LatencyTable, path: str | os.PathLike[str]) -> Path:
    """Write a latency table as ``.csv``, ``.json`` or ``.pkl`` (which holds no origin), whole or not at all; return the path.

    Raises:
        ValueError: another suffix.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "table.csv"
    >>> _ = save_latency_table(LatencyTable({"1_3_8_32_3_2_1": 0.25}, about={"device": "mine"}), path)
    >>> print(path.read_text().strip())
    # device: mine
    batch,cin,cout,fmap,kernel,stride,groups,dilation,ms
    1,3,8,32,3,2,1,1,0.25
    """
    path = Path(path)
    rows = [_row(spec) | {"ms": ms} for spec, ms in table.items()]
    if path.suffix == ".csv":
        marks = "".join(f"# {name}: {value}\n" for name, value in table.about.items())
        content = (marks + _csv(rows, COLUMNS)).encode()
    elif path.suffix == ".json":
        content = json.dumps({"about": table.about, "rows": rows}, indent=1).encode()
    elif path.suffix == ".pkl":
        content = pickle.dumps({str(spec): ms for spec, ms in table.items()}, protocol=2)
    else:
        raise ValueError(f"{path} has the suffix {path.suffix!r}, expected .csv, .json or .pkl")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return path


def save_specs(specs: Iterable[ConvSpec], path: str | os.PathLike[str]) -> Path:
    """Write which convolutions are to be measured as CSV, for ``measure_convolutions.py`` on another device; return the path."""
    path = Path(path)
    with atomic_write(path) as temporary:
        temporary.write_text(_csv([_row(spec) for spec in dict.fromkeys(specs)], COLUMNS[:-1]))
    return path


def _row(spec: ConvSpec) -> dict[str, Any]:
    values = (
        spec.batch,
        spec.in_channels,
        spec.out_channels,
        spec.size,
        spec.kernel,
        spec.stride,
        spec.groups,
        spec.dilation,
    )
    return {name: size_text(v) if isinstance(v, tuple) else v for name, v in zip(COLUMNS[:-1], values, strict=True)}


def _csv(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _read_csv(path: Path) -> tuple[dict[ConvSpec, float], dict[str, str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    marks = [_MARK.match(line) for line in lines if line.startswith("#")]
    rows = csv.DictReader(line for line in lines if line.strip() and not line.startswith("#"))
    return _entries(enumerate(rows, start=1), str(path)), {mark[1].strip(): mark[2].strip() for mark in marks if mark}


def _read_json(path: Path) -> tuple[Mapping[Any, float], dict[str, str]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    about: dict[str, str] = {}
    if isinstance(content, dict) and isinstance(content.get("rows"), list):
        about, content = content.get("about", {}), content["rows"]
    if isinstance(content, list):
        return _entries(enumerate(content, start=1), str(path)), about
    return _keyed(content, path), about


def _read_pickle(path: Path) -> tuple[Mapping[Any, float], dict[str, str]]:
    return _keyed(load_plain_pickle(path), path), {}


def _keyed(content: object, path: Path) -> dict[str, float]:
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected a dictionary of keys and ms")
    return content


def _entries(rows: Iterable[tuple[int, Mapping[str, Any]]], where: str) -> dict[ConvSpec, float]:
    entries: dict[ConvSpec, float] = {}
    for number, row in rows:
        if not isinstance(row, Mapping):
            raise ValueError(f"{where}, row {number} is {row!r:.80}, expected the columns {', '.join(COLUMNS)}")
        row = OPTIONAL | {str(name).strip(): value for name, value in row.items() if value is not None}
        if lacking := [name for name in COLUMNS if name not in row]:
            raise ValueError(
                f"{where}, row {number} has no {', '.join(lacking)}, expected the columns {', '.join(COLUMNS)}"
            )
        try:
            batch, inputs, outputs, groups = (int(row[name]) for name in ("batch", "cin", "cout", "groups"))
            sizes = (read_size(str(row[name])) for name in ("fmap", "kernel", "stride"))
            spec = ConvSpec(batch, inputs, outputs, *sizes, groups, read_size(str(row["dilation"])))
            ms = float(row["ms"])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{where}, row {number}: {error}") from None
        if spec in entries and entries[spec] != ms:
            raise ValueError(f"{where}, row {number}: {spec} has {ms:g} ms here and {entries[spec]:g} ms before")
        entries[spec] = ms
    return entries


def _read_yaml(path: Path) -> tuple[dict[ConvSpec, float], dict[str, str]]:
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected layers with count, mean and var")
    entries: dict[ConvSpec, float] = {}
    for layer, facts in content.items():
        match = _ONCE_FOR_ALL.fullmatch(str(layer))
        if match is None:
            continue
        height, width, inputs, out_height, _, outputs = map(int, match.groups()[1:])
        if not isinstance(facts, dict) or "mean" not in facts:
            raise ValueError(f"{path}, layer {layer}: has {facts!r:.60}, expected count, mean and var")
        kernel = 3 if match[1] == "Conv" else 1  # the first convolution; the others mix channels
        entries[ConvSpec(1, inputs, outputs, (height, width), kernel, round(height / out_height))] = facts["mean"]
    if not entries:
        raise ValueError(f"{path} has none of the plain convolutions Conv, Conv_1 and Conv_2; blocks cannot be divided")
    return entries, {
        "source": "once-for-all",
        "left out": f"{len(content) - len(entries)} layers that are no plain convolution",
    }
