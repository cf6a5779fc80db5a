"""What this machine is, and what that means for the notebooks."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import pandas as pd

from workbench.datasets.files import cache_dir, data_dir


def environment_report() -> pd.DataFrame:
    """Return what the notebooks run on: columns ``what``, ``found`` and ``meaning``.

    >>> environment_report()["what"].tolist()
    ['Python', 'torch', 'Device', 'Processor', 'Data', 'Cache']
    """
    import torch  # a few seconds that a person who only reads tables need not wait for

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if gpu else "CPU"
    slow = (
        "networks train in seconds to minutes"
        if gpu
        else "everything runs; 'Run it for real' takes minutes where a GPU takes seconds"
    )
    few = "comfortable" if cores >= 4 else "enough: run one heavy thing at a time"
    rows = [
        ("Python", platform.python_version(), "3.11 or newer is needed"),
        ("torch", f"{version('torch')} with torchvision {version('torchvision')}", "the two load together"),
        ("Device", device, slow),
        ("Processor", f"{cores} cores", few),
        ("Data", data_dir().name + "/", "all default data is here: no download is needed"),
        ("Cache", str(cache_dir()), "measured points and checkpoints; set WORKBENCH_CACHE to move it"),
    ]
    return pd.DataFrame(rows, columns=["what", "found", "meaning"])
