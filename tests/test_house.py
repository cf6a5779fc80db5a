"""The house rules: floors, environments, lock files, notebooks without outputs, and the size of data/."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CONDA_NAMES = {"torch": "pytorch", "category-encoders": "category_encoders"}
"""Names that differ on conda-forge."""


def _tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).is_file()]


def test_a_file_imports_only_from_its_own_floor_or_below():
    result = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_scripts_never_load_a_widget_or_a_plot():
    code = (
        "import sys, workbench.experiments.how_much_data as _; "
        "sys.exit(', '.join({'plotly', 'ipywidgets', 'IPython'} & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_conda_environment_names_what_pyproject_names():
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = [line for line in lines if isinstance(line, str)]
    from_pip = next(line["pip"] for line in lines if isinstance(line, dict))
    conda = dict(line.split() for line in plain if " " in line)
    assert conda.pop("python") == PROJECT["requires-python"]
    assert set(plain) - {f"{name} {bound}" for name, bound in conda.items()} == {
        f"python {PROJECT['requires-python']}",
        "pip",
    }
    wanted = {}
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        wanted[CONDA_NAMES.get(requirement.name, requirement.name)] = str(requirement.specifier)
    listed = conda | {Requirement(line).name: str(Requirement(line).specifier) for line in from_pip}
    assert listed == wanted


def test_the_design_card_is_installed():
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert names >= {
        "jupyterlab",
        "ipywidgets",
        "plotly",
        "pandas",
        "torch",
        "torchvision",
        "scikit-learn",
        "category-encoders",
        "fairlearn",
        "pot",
    }


@pytest.mark.parametrize("name", ["requirements.lock", "tests/requirements.lock"])
def test_lock_holds_names_versions_and_hashes_only(name):
    for line in (ROOT / name).read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_lock_pins_every_dependency_and_both_locks_agree():
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9._-]+==\S+)", (ROOT / name).read_text(), re.M))

    runtime, everything = pins("requirements.lock"), pins("tests/requirements.lock")
    assert runtime <= everything
    names = {pin.split("==")[0] for pin in runtime}
    assert {Requirement(text).name for text in PROJECT["dependencies"]} <= names
    extra = {Requirement(text).name for text in PROJECT["optional-dependencies"]["test"]}
    assert extra <= {pin.split("==")[0] for pin in everything}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_committed_clean_and_short(path):
    notebook = json.loads(path.read_text())
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            assert not cell["outputs"], f"cell {index} holds outputs"
            assert cell["execution_count"] is None, f"cell {index} holds an execution count"
            assert len("".join(cell["source"]).splitlines()) <= 14, f"cell {index} is long: move it into the package"
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_no_machine_path_or_registry_host_is_committed():
    pattern = re.compile(r"/(?:work|root|home)/[a-z]|files\.pythonhosted|pypi\.org|registry\.npmjs|deb\.debian\.org")
    for path in _tracked():
        if path.suffix in {".xz", ".gz", ".png", ".safetensors"} or path == Path(__file__):
            continue
        found = pattern.search(path.read_text(errors="ignore"))
        assert not found, f"{path.relative_to(ROOT)} names {found.group()!r}"


def test_data_stays_under_64_mb():
    assert sum(path.stat().st_size for path in _tracked() if (ROOT / "data") in path.parents) < 64 * 2**20
