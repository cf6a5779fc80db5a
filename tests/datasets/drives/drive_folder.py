"""One small folder of toy drives for all tests of a session."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from workbench.datasets import DriveConfig, write_drives

SMALL = DriveConfig(train=1, val=1, samples=2, width=64, height=36, rays=1)


@lru_cache(maxsize=1)
def small_drives() -> Path:
    """Return the folder, which nobody may change."""
    return write_drives(Path(mkdtemp(prefix="drives-")) / "small", SMALL)


def damaged(target: Path, table: str, change: Callable[[list[dict[str, Any]]], object]) -> Path:
    """Return a copy of the tables and the map with one table changed."""
    shutil.copytree(small_drives(), target, ignore=shutil.ignore_patterns("*.jpg", "*.bin"))
    path = next(target.glob(f"*/{table}.json"), None) or next(target.glob(f"maps/expansion/{table}.json"))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return target
