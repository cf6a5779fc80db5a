"""A torch and torchvision that do not belong together are named at import, with the cure."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from workbench import _environment


def _versions(monkeypatch, torch: str, torchvision: str) -> None:
    monkeypatch.setattr(_environment, "version", {"torch": torch, "torchvision": torchvision}.__getitem__)


def test_equal_builds_need_no_import(monkeypatch):
    _versions(monkeypatch, "2.14.1", "0.29.1")
    monkeypatch.setattr(_environment.importlib, "import_module", lambda name: pytest.fail("imported"))
    _environment.check_torch_pair()


def test_cpu_torch_beside_registry_torchvision_is_named_with_its_cure(monkeypatch):
    _versions(monkeypatch, "2.13.0+cpu", "0.29.1")

    def fails(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(_environment.importlib, "import_module", fails)
    with pytest.raises(ImportError, match=r"2\.13\.0\+cpu and torchvision 0\.29\.1 .*nms does not exist.*pip install"):
        _environment.check_torch_pair()


def test_different_tags_that_do_load_together_are_fine(monkeypatch):
    _versions(monkeypatch, "2.14.1+cu130", "0.29.1")
    _environment.check_torch_pair()


def test_missing_package_is_named(monkeypatch):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_environment, "version", missing)
    with pytest.raises(ImportError, match="torch is not installed"):
        _environment.check_torch_pair()
