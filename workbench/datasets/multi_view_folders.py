"""DTU, BlendedMVS, and Tanks and Temples from a folder of the person's, in the layouts of the MVSNet family.

Jensen et al., "Large Scale Multi-view Stereopsis Evaluation", CVPR 2014; Yao et al., "BlendedMVS", CVPR 2020; Knapitsch et al.,
"Tanks and Temples", SIGGRAPH 2017. Nothing of them ships with the workbench.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from workbench.datasets.multi_view import CameraReading, MultiViewScene, read_pairs
from workbench.geometry.camera_text import NP_CVP_PLANES
from workbench.metrics.point_clouds import ObservedVolume

DTU_TEST_SCANS = (1, 4, 9, 10, 11, 12, 13, 15, 23, 24, 29, 32, 33, 34, 48, 49, 62, 75, 77, 110, 114, 118)
DTU_LIGHTS = 7
_RAW_CROP = (44, 556, 80, 720)
"""Of half of a map of 1600 x 1200: its middle 640 x 512."""
_ENDINGS = (".jpg", ".jpeg", ".png")


def read_dtu_training(
    root: str | os.PathLike[str],
    scans: Sequence[str] | None = None,
    light: int = 3,
    reading: CameraReading | None = None,
) -> list[MultiViewScene]:
    """Return DTU's training scans, one light, in the layout of MVSNet or of CVP-MVSNet.

    Images are ``Rectified/<scan>_train/rect_<view + 1>_<light>_r5000.png``, maps ``Depths/<scan>_train/depth_map_<view>.pfm``.
    Told by ``Cameras/train``: with it, MVSNet's layout, whose intrinsics there are for 160 x 128 and are scaled to the images, and
    whose ``Depths_raw`` is preferred where it is; without it, CVP-MVSNet's, with ``scan_list_train.txt`` and cameras for the
    images, whose range ends 256 intervals on.

    Args:
        root: the folder.
        scans: such as ``"scan9"``; all by default.
        light: 0 to 6.
        reading: how camera files are read, in the place of the layout's own way.

    Raises:
        FileNotFoundError: a folder or ``pair.txt`` is missing, or a scan that was named.
        ValueError: another light, or no scan.
    """
    if not 0 <= light < DTU_LIGHTS:
        raise ValueError(f"light must lie in 0 to {DTU_LIGHTS - 1}, got {light}")
    root = _folder(root)
    mvsnet = (root / "Cameras" / "train").is_dir()
    if reading is None:
        reading = CameraReading(intrinsics_size=(160, 128)) if mvsnet else CameraReading(planes=NP_CVP_PLANES)
    pairs = read_pairs(root / "Cameras" / "pair.txt")
    cameras = _numbered(root / "Cameras" / ("train" if mvsnet else ""), r"(\d{8})_cam\.txt")
    found = []
    for scan in _dtu_scans(root, scans, mvsnet):
        images = _numbered(root / "Rectified" / f"{scan}_train", rf"rect_(\d+)_{light}_r5000\.png", shift=-1)
        raw = root / "Depths_raw" / scan
        use_raw = mvsnet and raw.is_dir()
        depths = _numbered(raw if use_raw else root / "Depths" / f"{scan}_train", r"depth_map_(\d{4})\.pfm")
        scene = MultiViewScene(scan, images, cameras, depths, pairs, reading, _RAW_CROP if use_raw else None)
        found.append(_only_present(scene))
    return found


def read_dtu_test(
    root: str | os.PathLike[str], scans: Sequence[str] | None = None, reading: CameraReading | None = None
) -> list[MultiViewScene]:
    """Return DTU's scans of the test layout, ``<scan>/{images,cams,pair.txt}``; the 22 of evaluation that there are by default.

    Raises:
        FileNotFoundError: there is no such folder, or a scan that was named.
        ValueError: no scan.
    """
    root = _folder(root)
    wanted = (
        [f"scan{number}" for number in DTU_TEST_SCANS if (root / f"scan{number}").is_dir()] if scans is None else scans
    )
    return _scenes(root, wanted, reading)


def read_tanks_and_temples(
    root: str | os.PathLike[str],
    split: str = "intermediate",
    scenes: Sequence[str] | None = None,
    reading: CameraReading | None = None,
) -> list[MultiViewScene]:
    """Return the scenes of ``<split>/<Scene>/{images,cams,pair.txt}``; ``split`` is ``"intermediate"``, ``"advanced"`` or
    ``"training"``.

    Raises:
        FileNotFoundError: there is no such folder, or a scene that was named.
        ValueError: no scene.
    """
    root = _folder(Path(root) / split)
    return _scenes(root, _folders(root) if scenes is None else scenes, reading)


def read_blended_mvs(
    root: str | os.PathLike[str], scenes: Sequence[str] | None = None, reading: CameraReading | None = None
) -> list[MultiViewScene]:
    """Return the scenes of ``<PID>/{blended_images,cams,rendered_depth_maps}``; ``root`` may be one of them.

    Some of the published ones have a range of depths that begins at or below 0 or an empty map:
    :func:`~workbench.datasets.multi_view.usable_references` leaves these out and counts them.

    Raises:
        FileNotFoundError: there is no such folder, or a scene that was named.
        ValueError: no scene.
    """
    root = _folder(root)
    if (root / "blended_images").is_dir():
        root, scenes = root.parent, [root.name]
    wanted = [name for name in _folders(root) if (root / name / "cams").is_dir()] if scenes is None else scenes
    return _scenes(root, wanted, reading, "blended_images", "cams/pair.txt")


def read_dtu_observability(root: str | os.PathLike[str], scan: int) -> tuple[ObservedVolume, np.ndarray]:
    """Return the volume that DTU's scanner saw and the plane (4,) of the table, of ``ObsMask/ObsMask<scan>_10.mat`` and
    ``Plane<scan>.mat``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file lacks what it should hold.
    """
    folder = _folder(root) / "ObsMask"
    volume = _matlab(folder / f"ObsMask{scan}_10.mat", ("ObsMask", "BB", "Res"))
    plane = _matlab(folder / f"Plane{scan}.mat", ("P",))["P"]
    box = np.asarray(volume["BB"], float)
    return ObservedVolume(volume["ObsMask"].astype(bool), box[0], float(np.ravel(volume["Res"])[0])), plane.ravel()


def _scenes(
    root: Path,
    names: Sequence[str],
    reading: CameraReading | None,
    images: str = "images",
    pair_file: str = "pair.txt",
) -> list[MultiViewScene]:
    if not names:
        raise ValueError(f"{root} holds no scene")
    found = []
    for name in names:
        folder = _folder(root / name)
        depths = _numbered(folder / "rendered_depth_maps", r"(\d{8})\.pfm", missing=True)
        scene = MultiViewScene(
            name,
            _numbered(folder / images, rf"(\d{{8}})(?:{'|'.join(map(re.escape, _ENDINGS))})"),
            _numbered(folder / "cams", r"(\d{8})_cam\.txt"),
            depths,
            read_pairs(folder / pair_file),
            reading or CameraReading(),
        )
        found.append(_only_present(scene))
    return found


def _dtu_scans(root: Path, scans: Sequence[str] | None, mvsnet: bool) -> Sequence[str]:
    if scans is None and not mvsnet:
        path = root / "scan_list_train.txt"
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}, and no {root / 'Cameras' / 'train'}: neither layout fits")
        scans = path.read_text().split()
    if scans is None:
        scans = [name.removesuffix("_train") for name in _folders(root / "Rectified") if name.endswith("_train")]
    if not scans:
        raise ValueError(f"{root} holds no scan")
    return scans


def _only_present(scene: MultiViewScene) -> MultiViewScene:
    """Return the scene with the pairs whose files are there: a part of a data set is read like the whole."""
    there = set(scene.images) & set(scene.cameras)
    pairs = {
        view: tuple(source for source in sources if source[0] in there)
        for view, sources in scene.pairs.items()
        if view in there
    }
    if not pairs:
        raise ValueError(
            f"{scene.name}: pair.txt names {len(scene.pairs)} views, none of which has an image and a camera"
        )
    return replace(scene, pairs=pairs)


def _numbered(folder: Path, pattern: str, shift: int = 0, missing: bool = False) -> Mapping[int, Path]:
    if missing and not folder.is_dir():
        return {}
    matches = ((re.fullmatch(pattern, path.name), path) for path in sorted(_folder(folder).iterdir()))
    return {int(match[1]) + shift: path for match, path in matches if match}


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in _folder(root).iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _folder(path: str | os.PathLike[str]) -> Path:
    path = Path(path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}")
    return path


def _matlab(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    held = loadmat(path)
    if missing := [name for name in names if name not in held]:
        raise ValueError(f"{path} lacks {missing[0]}; it has {', '.join(name for name in held if name[0] != '_')}")
    return {name: held[name] for name in names}
