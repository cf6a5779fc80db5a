import hashlib

import pytest

from workbench.datasets import atomic_write, cache_dir, data_dir, sha256
from workbench.datasets.files import atomic_folder


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def interrupted():
        with atomic_write(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "shard"

    def write(end: BaseException | None = None):
        with atomic_folder(target) as temporary:
            (temporary / "part").write_text(str(end))
            assert not target.exists() or end
            if end is not None:
                raise end

    with pytest.raises(KeyboardInterrupt):
        write(KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []
    write()
    with pytest.raises(FileExistsError, match="shard exists already"), atomic_folder(target) as temporary:
        (temporary / "part").write_text("another's")
    assert (target / "part").read_text() == "None"
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_folder_gives_way_but_a_file_does_not(tmp_path):
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as temporary:
        (temporary / "part").touch()
    assert (tmp_path / "empty" / "part").is_file()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_folders_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    assert cache_dir("a", "b") == tmp_path / "cache" / "a" / "b"
    assert cache_dir("a", "b").is_dir()
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="WORKBENCH_DATA"):
        data_dir()


def test_sha256_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"bytes" * 100_000)
    assert sha256(path) == hashlib.sha256(b"bytes" * 100_000).hexdigest()
