"""The small training problem, in this process and in others."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).with_name("recipe.py")


@pytest.fixture(scope="session")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_recipe", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory):
    """The folder that other processes write to: one to be killed, and two that train together."""
    folder = tmp_path_factory.mktemp("others")
    distributed = ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")
    environment = {name: value for name, value in os.environ.items() if name not in distributed}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(RECIPE.parents[2])}
    command = [sys.executable, str(RECIPE), "fork", str(folder)]
    with (folder / "output.txt").open("w") as output:
        # A session of its own, so that none of the forked processes is left behind.
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    yield process, folder
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.fixture(scope="session", autouse=True)
def others_early(request: pytest.FixtureRequest) -> None:
    """Start the other processes with the first test, so that their slow imports run beside the rest."""
    if any(item.path.name == "test_processes.py" for item in request.session.items):
        request.getfixturevalue("others")
