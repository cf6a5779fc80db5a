"""How a published checkpoint becomes the shipped file."""

import io
import zipfile

import torch
from safetensors.torch import load

from workbench.datasets._weights import EFFICIENTNET_LITE0_MEMBER, efficientnet_lite0_safetensors


def test_names_stay_floats_are_halved_and_the_bytes_are_the_same_each_time(tmp_path):
    transposed = torch.arange(6.0).reshape(2, 3).T
    original = {"_fc.weight": transposed, "_bn0.num_batches_tracked": torch.tensor(70_000), "_bn0.bias": torch.ones(2)}
    content = io.BytesIO()
    torch.save(original, content)
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(EFFICIENTNET_LITE0_MEMBER, content.getvalue())
    made = efficientnet_lite0_safetensors(wheel)
    assert made == efficientnet_lite0_safetensors(wheel)
    loaded = load(made)
    assert set(loaded) == set(original)
    for name, tensor in original.items():
        assert torch.equal(loaded[name].to(tensor.dtype), tensor)
    assert loaded["_fc.weight"].dtype == torch.float16
    assert loaded["_bn0.num_batches_tracked"].dtype == torch.int64
