import gzip
import io
import lzma
import shutil
import sys
import tarfile

import numpy as np
import pytest

from workbench.datasets import _sources, data_dir, idx_bytes, published_curves, read_idx, sha256
from workbench.datasets._recipes import RECIPES, fashion_mnist, gzipped, lcdb_extract_csv, unpacked
from workbench.datasets._sources import FASHION_MNIST_FILES, LCDB, SourceError, read_deb
from workbench.datasets.build import build, main, read_manifest, verify


def test_shipped_files_match_the_manifest():
    assert verify() == []
    assert {entry["name"] for entry in read_manifest()} >= {recipe.name for recipe in RECIPES}


def test_manifest_is_true_of_the_bytes():
    for entry in read_manifest():
        path = data_dir() / entry["file"]
        assert path.stat().st_size == entry["bytes"]
        assert sha256(path) == entry["sha256"]


def test_readme_lists_every_file_of_the_recipes_with_its_sum():
    readme = (data_dir() / "README.md").read_text(encoding="utf-8")
    for entry in read_manifest():
        if entry["name"] in {recipe.name for recipe in RECIPES}:
            assert f"`{entry['file']}`" in readme
            assert entry["sha256"][:16] in readme


def test_licence_notices_ship():
    licences = data_dir() / "LICENSES"
    assert "Copyright (c) 2017 Zalando SE" in (licences / "fashion-mnist.txt").read_text()
    assert "Copyright (c) 2021 Felix Mohr" in (licences / "lcdb.txt").read_text()
    assert "Copyright (c) Microsoft Corporation" in (licences / "emoji-fluent.txt").read_text()
    assert "Apache License" in (licences / "emoji-noto.txt").read_text()
    assert "Apache License" in (licences / "frost.txt").read_text()
    assert "creativecommons.org/licenses/by/4.0" in (licences / "emoji-twemoji.txt").read_text()
    assert "creativecommons.org/licenses/by/4.0" in (licences / "adult.txt").read_text()
    assert "Copyright (c) 2021, Synthesized Ltd." in (licences / "compas.txt").read_text()
    assert "Copyright (c) 2018 Shlomi Hod" in (licences / "compas.txt").read_text()


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "data"
    copy.mkdir()
    for name in ("manifest.json", "learning_curves_mahmood2022.csv"):
        shutil.copy(data_dir() / name, copy)
    return copy


def test_rebuild_gives_the_same_bytes(folder):
    path = folder / "learning_curves_mahmood2022.csv"
    before = path.read_bytes()
    path.unlink()
    assert build(["learning_curves"], folder=folder) == [path]
    assert path.read_bytes() == before


def test_verify_names_each_fault(folder):
    (folder / "learning_curves_mahmood2022.csv").write_text("task,n,score,source\n")
    faults = verify(folder)
    assert any(fault.startswith("learning_curves_mahmood2022.csv differs from the manifest") for fault in faults)
    assert any(fault.startswith("lcdb_extract.csv.gz is missing") and fault.endswith("build lcdb'") for fault in faults)


def test_verify_accepts_the_same_content_in_another_compression(folder):
    content = gzip.decompress((data_dir() / "lcdb_extract.csv.gz").read_bytes())
    (folder / "lcdb_extract.csv.gz").write_bytes(gzip.compress(content, compresslevel=1, mtime=0))
    assert not any(fault.startswith("lcdb") for fault in verify(folder))
    (folder / "lcdb_extract.csv.gz").write_bytes(b"\x1f\x8bnot really")
    assert any(fault.startswith("lcdb_extract.csv.gz differs") for fault in verify(folder))


def test_a_result_that_differs_is_not_written(folder):
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(sha256(folder / "learning_curves_mahmood2022.csv"), "0" * 64))
    (folder / "learning_curves_mahmood2022.csv").unlink()
    with pytest.raises(ValueError, match=r"another content than the manifest pins: nothing was written"):
        build(["learning_curves"], folder=folder)
    assert not (folder / "learning_curves_mahmood2022.csv").exists()
    build(["learning_curves"], folder=folder, pin=True)
    assert not any(fault.startswith("learning_curves") for fault in verify(folder))


def test_manifest_faults(tmp_path):
    with pytest.raises(FileNotFoundError, match="no manifest"):
        read_manifest(tmp_path)
    for text in ("{", "[]", '{"files": [{"name": "x"}]}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match="is not a manifest"):
            read_manifest(tmp_path)


def test_sources_that_are_missing_or_other_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"has no lcdb-0.1.0.tar.gz \(PyPI package lcdb 0.1.0\)"):
        build(["lcdb"], sources=tmp_path, folder=tmp_path)
    (tmp_path / LCDB.file).write_bytes(b"something else")
    with pytest.raises(SourceError, match=r"expected 450ea69b2498.*: it is damaged or another version"):
        build(["lcdb"], sources=tmp_path, folder=tmp_path)
    for name in FASHION_MNIST_FILES:
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(SourceError, match=r"train-images-idx3-ubyte.gz has SHA-256"):
        build(["fashion_mnist"], sources=tmp_path, folder=tmp_path)
    with pytest.raises(ValueError, match="no data set 'cifar'; there are learning_curves, lcdb, "):
        build(["cifar"], folder=tmp_path)


def test_a_failed_fetch_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(_sources.Source, "_command", lambda self: ["no-such-command-here"])
    with pytest.raises(SourceError, match=r"needs the command no-such-command-here.*--from"):
        LCDB.path()
    monkeypatch.setattr(_sources.Source, "_command", lambda self: ["false"])
    with pytest.raises(
        SourceError, match=r"could not fetch lcdb 0.1.0 from PyPI \(no message\); fetch lcdb-0.1.0.tar.gz where"
    ):
        LCDB.path()
    monkeypatch.setattr(_sources.Source, "_command", lambda self: ["touch", "other.txt"])
    with pytest.raises(SourceError, match=r"gave \['other.txt'\], expected lcdb-0.1.0.tar.gz"):
        LCDB.path()
    monkeypatch.setattr(_sources.Source, "_command", lambda self: ["touch", self.file])
    with pytest.raises(SourceError, match="it is damaged or another version"):
        LCDB.path()
    assert not list((tmp_path / "downloads").iterdir())


def test_command_line(capsys, tmp_path):
    assert main(["--check"]) == 0
    assert main(["lcdb", "--from", str(tmp_path)]) == 1
    assert "has no lcdb-0.1.0.tar.gz" in capsys.readouterr().err


def test_lcdb_recipe_averages_over_splits(tmp_path):
    scores = (
        "openmlid,learner,size_train,size_test,outer_seed,inner_seed,traintime,score_train,score_valid,score_test\n"
        "3,SVC_rbf,16,9,0,0,0,1,0.1,0.50\n3,SVC_rbf,16,9,0,1,0,1,0.1,0.70\n11,sklearn.svm.SVC,16,9,0,0,0,1,0.1,0.25\n"
    )
    path = tmp_path / "lcdb.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (("database-accuracy.csv", scores), ("datasets.csv", "openmlid,Name,Other\n3,kr-vs-kp,1\n")):
            member = tarfile.TarInfo(f"lcdb-0.1.0/lcdb/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    assert lcdb_extract_csv(path).decode().splitlines() == [
        "openmlid,dataset,learner,n,score_mean,score_std,splits",
        "3,kr-vs-kp,SVC_rbf,16,60.00,14.14,2",
        "11,openml-11,SVC,16,25.00,,1",
    ]


def test_fashion_recipe_keeps_the_first_of_each_class_in_order(tmp_path):
    labels = np.tile(np.arange(10, dtype=np.uint8), 2001)
    images = np.arange(len(labels), dtype=np.int32)
    originals = {
        "train-images-idx3-ubyte.gz": images,
        "train-labels-idx1-ubyte.gz": labels,
        "t10k-images-idx3-ubyte.gz": images[:7],
        "t10k-labels-idx1-ubyte.gz": labels[:7],
    }
    made = fashion_mnist({name: gzip.compress(idx_bytes(array)) for name, array in originals.items()})
    for name, array in originals.items():
        path = tmp_path / "array"
        path.write_bytes(made[f"fashion_mnist/{name.removesuffix('.gz')}.xz"])
        np.testing.assert_array_equal(read_idx(path), array[:20_000])


def test_packing_has_no_date():
    assert gzipped(b"text" * 9)[4:8] == b"\0\0\0\0"
    assert unpacked("a.gz", gzipped(b"text")) == unpacked("a.xz", lzma.compress(b"text")) == unpacked("a.csv", b"text")


def _tar(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./usr/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _ar(**members):
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        name = name.replace("_", ".")
        parts.append(
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
            + content
            + b"\n" * (len(content) % 2)
        )
    return b"".join(parts)


@pytest.mark.parametrize("ending, pack", [("", bytes), ("_xz", lzma.compress), ("_gz", gzip.compress)])
def test_debian_packages_are_read_without_dpkg(tmp_path, ending, pack):
    path = tmp_path / "package.deb"
    content = {
        "debian-binary": b"2.0\n",
        "control_tar_xz": b"odd",
        f"data_tar{ending}": pack(_tar(first=b"one", second=b"two")),
    }
    path.write_bytes(_ar(**content))
    assert read_deb(path, ["usr/second"]) == {"usr/second": b"two"}
    with pytest.raises(SourceError, match="has no usr/third"):
        read_deb(path, ["usr/third"])


@pytest.mark.parametrize(
    "content, message",
    [
        (b"PK\x03\x04....", "is not a Debian package"),
        (_ar(control_tar_xz=b"x"), "has no member data.tar"),
        (_ar(data_tar_xz=lzma.compress(_tar(a=b"one")))[:-20], "is truncated in its member data.tar.xz"),
        (_ar(data_tar_xz=b"not xz at all"), "is truncated or damaged"),
        (_ar(data_tar_bz2=b"x"), "is packed as data.tar.bz2; expected"),
        (b"!<arch>\n" + b"?" * 60, "is damaged: no ar header at byte 8"),
    ],
)
def test_broken_debian_packages_are_named(tmp_path, content, message):
    path = tmp_path / "package.deb"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_deb(path, ["usr/a"])


def test_a_package_in_zstd_says_what_to_do_when_python_cannot_read_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "compression", None)
    path = tmp_path / "package.deb"
    path.write_bytes(_ar(data_tar_zst=b"\x28\xb5\x2f\xfd"))
    with pytest.raises(SourceError, match=r"packed with zstd.*dpkg-deb -x"):
        read_deb(path, ["usr/a"])


def test_transcription_in_the_code_is_the_shipped_table():
    made = RECIPES[0].make(None)["learning_curves_mahmood2022.csv"]
    assert made == (data_dir() / "learning_curves_mahmood2022.csv").read_bytes()
    assert len(published_curves()) == 121
