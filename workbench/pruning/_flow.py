"""The operations of a network in the order in which they run, as far as dead branches are concerned."""

from __future__ import annotations

from dataclasses import dataclass

from numpy import int64
from numpy.typing import NDArray
from torch import fx, nn
from torch.nn.modules.batchnorm import _NormBase

from workbench.pruning._tracing import NOT_ZERO, POINTWISE

KINDS = (
    "input",
    "attribute",
    "conv",
    "padded conv",
    "linear",
    "pointwise",
    "pooling",
    "sum",
    "product",
    "concatenation",
    "other",
)
FLAT = (nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
"""Pooling that leaves a picture of one value as it is, at its edges too."""
_POINTWISE = """
relu relu_ relu6 leaky_relu elu selu celu gelu silu mish hardswish tanh hardtanh sigmoid sigmoid_ hardsigmoid softplus dropout
dropout2d stochastic_depth contiguous clone
"""
FUNCTION_KINDS = (
    dict.fromkeys(("add", "add_", "iadd", "sub", "sub_", "isub"), "sum")
    | dict.fromkeys(("mul", "mul_", "imul", "multiply", "truediv", "div", "div_"), "product")
    | dict.fromkeys(("cat", "concat", "concatenate"), "concatenation")
    | dict.fromkeys(_POINTWISE.split(), "pointwise")
    | dict.fromkeys(("max_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate"), "pooling")
)


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        name: of the node of torch.fx.
        kind: one of :data:`KINDS`, or ``"output"``.
        target: the module's name, or the function's.
        reads: the steps whose results it reads.
        units: of the channels of its result, None where it has none that could be removed.
        scope: the module in whose code it runs.
    """

    name: str
    kind: str
    target: str
    reads: tuple[int, ...]
    units: NDArray[int64] | None
    scope: str


def steps_of(model: nn.Module, flow: fx.Graph, units: dict[fx.Node, NDArray[int64]]) -> tuple[Step, ...]:
    """Return the steps of a traced network, one a node."""
    place = {node: index for index, node in enumerate(flow.nodes)}
    return tuple(
        Step(
            name=node.name,
            kind=_kind(model, node),
            target=getattr(node.target, "__name__", str(node.target)),
            reads=tuple(place[source] for source in node.all_input_nodes),
            units=units.get(node),
            scope=scope_of(node),
        )
        for node in flow.nodes
    )


def scope_of(node: fx.Node) -> str:
    """Return the name of the module in whose ``forward`` a node arose; ``""`` for the network itself."""
    if node.op == "get_attr":
        return str(node.target).rpartition(".")[0]
    stack = [name for name, _ in (node.meta.get("nn_module_stack") or {}).values()]
    if node.op == "call_module":
        stack = stack[:-1]
    return stack[-1] if stack else ""


def _kind(model: nn.Module, node: fx.Node) -> str:
    if node.op in {"placeholder", "get_attr", "output"}:
        return {"placeholder": "input", "get_attr": "attribute", "output": "output"}[node.op]
    if node.op != "call_module":
        return FUNCTION_KINDS.get(getattr(node.target, "__name__", str(node.target)), "other")
    module = model.get_submodule(str(node.target))
    if isinstance(module, nn.Conv2d):
        return (
            "padded conv"
            if module.padding == "same" or any(part for part in module.padding if part != "valid")
            else "conv"
        )
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, (*POINTWISE, *NOT_ZERO, nn.Hardtanh, nn.PReLU, _NormBase)):
        return "pointwise"
    return "pooling" if isinstance(module, FLAT) else "other"
