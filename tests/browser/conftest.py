"""A JupyterLab of the tests' own, and a page of a real browser that shows it.

``CHROMIUM`` names the browser when it is not on the path; ``WORKBENCH_SCREENSHOTS`` names a folder for pictures.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests can import jupyter_page

CHECKOUT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

PLACES = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
    "WORKBENCH_CACHE": "cache",
}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token and the folder it shows."""

    url: str
    token: str
    folder: Path

    def write_notebook(self, name: str, *sources: str) -> str:
        """Write a notebook with these code cells into the folder and return its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / name)
        return name

    def stop_kernels(self) -> None:
        """Shut down every kernel, so that the next notebook starts afresh."""
        for kernel in json.load(self._ask("GET", "/api/kernels")):
            self._ask("DELETE", f"/api/kernels/{kernel['id']}").close()

    def _ask(self, method: str, path: str) -> object:
        headers = {"Authorization": f"token {self.token}"}
        return urllib.request.urlopen(
            urllib.request.Request(self.url + path, method=method, headers=headers), timeout=60
        )


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_settings(folder: Path) -> None:
    """Write JupyterLab's settings: no news, no update checks, all cells on the page."""
    for plugin, values in SETTINGS.items():
        path = folder / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def wait_until_up(process: subprocess.Popen, url: str, log: Path, timeout: float = 90) -> None:
    """Wait until the server answers; raise with the end of its log when it does not."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the server did not start; the end of its log:\n{log.read_text()[-4000:]}")


@contextmanager
def serve(module: str, options: list[str], url: str, home: Path) -> Iterator[None]:
    """Run ``python -m module`` until the block ends, with every folder it writes to below ``home``."""
    environment = os.environ | {name: str(home / part) for name, part in PLACES.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    log = home / f"{module}.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", module, "--no-browser", *options]
        folder = home / "notebooks"
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        try:
            wait_until_up(process, url, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab on a copy of ``notebooks/``."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "notebooks"
    folder.mkdir()
    if (CHECKOUT / "notebooks").is_dir():
        shutil.copytree(CHECKOUT / "notebooks", folder, dirs_exist_ok=True)
    shutil.copy(Path(__file__).with_name("demo_panel.py"), folder)
    write_settings(home / "settings")
    port, token = free_port(), os.urandom(16).hex()
    options = [
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
    ]
    url = f"http://127.0.0.1:{port}"
    with serve("jupyterlab", options, f"{url}/api/status?token={token}", home):
        yield Lab(url, token, folder)


@pytest.fixture
def dashboard(lab: Lab) -> Iterator[Callable[[str], str]]:
    """Give a function that serves a notebook of the lab's folder as a dashboard and returns its address."""
    with ExitStack() as stack:

        def start(name: str) -> str:
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            options = [name, f"--port={port}", "--Voila.ip=127.0.0.1"]
            stack.enter_context(
                serve("voila", options, f"{url}/voila/templates/lab/static/voila.js", lab.folder.parent)
            )
            return url

        yield start


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Find the browser; skip without one, except in continuous integration, where that is a failure."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        reason = "no Chromium found: install it, or name it in the environment variable CHROMIUM"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[object]:
    """Start the browser; it ends with the module, because its event loop would get in the way of other tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def new_page(chromium, lab: Lab) -> Iterator[object]:
    """Yield a page that is logged in to the lab; afterwards no kernel is left."""
    context = chromium.new_context(base_url=lab.url, viewport={"width": 1280, "height": 1000}, accept_downloads=True)
    context.request.get(f"/lab?token={lab.token}")
    context.set_default_timeout(30_000)
    try:
        yield context.new_page()
    finally:
        context.close()
        lab.stop_kernels()


@pytest.fixture
def page(chromium, lab: Lab) -> Iterator[object]:
    """Open a page of its own for one test."""
    with new_page(chromium, lab) as opened:
        yield opened


@pytest.fixture(scope="module")
def module_page(chromium, lab: Lab) -> Iterator[object]:
    """Open one page for all tests of a module, where opening a notebook for each would be slow."""
    with new_page(chromium, lab) as opened:
        yield opened
