import hashlib

import pytest

from workbench.datasets import atomic_write, cache_dir, data_dir, sha256


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
