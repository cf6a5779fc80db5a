"""Where files live: the data that ships with the workbench, the person's cache, and writes that never leave half a file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def data_dir() -> Path:
    """Return the folder of the data that ships with the workbench (``WORKBENCH_DATA``, default ``data/`` beside the package).

    Raises:
        FileNotFoundError: the folder does not exist, as when the package was installed without its checkout.
    """
    folder = Path(os.environ.get("WORKBENCH_DATA") or Path(__file__).resolve().parents[2] / "data")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"the workbench's data folder is not at {folder}: run from a checkout, or set WORKBENCH_DATA to the path of its "
            "data/ folder"
        )
    return folder


def cache_dir(*parts: str) -> Path:
    """Return (and make) a folder of the person's cache (``WORKBENCH_CACHE``, default the platform's cache directory)."""
    root = os.environ.get("WORKBENCH_CACHE") or platformdirs.user_cache_dir("perception-workbench", appauthor=False)
    folder = Path(root).expanduser().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends well, and vanishes when it does not.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that becomes it, with all its files on the disk, when the block ends well.

    It vanishes when the block does not; a killed process leaves it under a name that begins with a dot.

    Raises:
        FileExistsError: there is something at ``path`` by then, other than an empty folder; it stays as it is.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "shard"
    >>> with atomic_folder(target) as temporary:
    ...     _ = (temporary / "part").write_text("whole")
    >>> [file.name for file in target.iterdir()]
    ['part']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        for file in (path for path in temporary.rglob("*") if path.is_file()):
            with open(file, "rb+") as opened:
                os.fsync(opened.fileno())
        with contextlib.suppress(OSError):
            path.rmdir()  # an empty folder gives way
        try:
            temporary.rename(path)
        except OSError:
            if not path.exists():
                raise
            raise FileExistsError(f"{path} exists already") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
