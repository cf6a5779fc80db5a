"""What must be true of the Python environment before anything else is imported."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version

CURE = (
    "Install both from one place, for example `pip install --force-reinstall torch==2.14.1 torchvision==0.29.1` "
    "(the ordinary builds also run on a CPU), or start again with `make lab`."
)


def build_tag(release: str) -> str:
    """Return the local build tag of a version string, ``""`` when it has none.

    >>> build_tag("2.14.1+cpu"), build_tag("0.29.1")
    ('cpu', '')
    """
    return release.partition("+")[2]


def check_torch_pair() -> None:
    """Raise an ImportError that names cause and cure when torch and torchvision are builds that do not load together.

    torchvision's compiled operators load only beside the kind of torch they were built for; a CPU-only torch beside the
    registry's torchvision fails on first use with ``operator torchvision::nms does not exist``.  Equal build tags need no
    further look, so that the usual start costs no import of torch; different tags are tried for real.

    Raises:
        ImportError: torch or torchvision is missing, or the pair cannot be imported together.
    """
    try:
        torch_release, torchvision_release = version("torch"), version("torchvision")
    except PackageNotFoundError as error:
        raise ImportError(
            f"workbench needs both torch and torchvision, and {error.name} is not installed. {CURE}"
        ) from None
    if build_tag(torch_release) == build_tag(torchvision_release):
        return
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, ImportError, OSError) as error:
        raise ImportError(
            f"torch {torch_release} and torchvision {torchvision_release} are different builds and torchvision's operators "
            f"cannot load ({error}). {CURE}"
        ) from error
