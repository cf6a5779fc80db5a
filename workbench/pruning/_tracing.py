"""Follow channels through a network: torch.fx names its operations, empty tensors give the shapes, rules say what each does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase

from workbench.pruning._channel_values import KEPT, Collection, ConvRecord, Numbers, Value
from workbench.pruning._tracing_functions import FUNCTIONS, keep_channels

POINTWISE = (
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Tanh, nn.Softsign, nn.Tanhshrink,
    nn.Softshrink, nn.Hardshrink, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
)  # fmt: skip
NOT_ZERO = (nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.LogSigmoid)
"""These and ``POINTWISE`` work on each number alone; these do not turn zero into zero."""
POOLING = (
    nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.LPPool2d, nn.Upsample, nn.ZeroPad2d,
    nn.ReflectionPad2d, nn.ReplicationPad2d,
)  # fmt: skip
SAME_SHAPE = (*POINTWISE, *NOT_ZERO, _NormBase, nn.GroupNorm, nn.Hardtanh)
NOT_KNOWN = "it goes through {}, which is not known to keep channels apart"


class ChannelTracer(fx.Interpreter):
    """Runs a traced network on empty tensors and collects what its operations do with channels."""

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model, graph=graph)
        self.found = Collection()
        self.values: dict[fx.Node, Value] = {}
        self.read = _leading_to_output(graph)

    def run_node(self, n: fx.Node) -> Any:
        module = self.module.get_submodule(str(n.target)) if n.op == "call_module" else None
        if (
            isinstance(module, SAME_SHAPE) and len(n.args) == 1 and not n.kwargs
        ):  # not run: a norm of empty tensors is slow
            result = self.fetch_args_kwargs_from_env(n)[0][0]
        else:
            result = super().run_node(n)
        if n.op == "output":
            self.give_up(n, "its channels reach the output of the network")
        elif isinstance(result, Tensor):
            self.values[n] = self._follow(n, result) or Value(tuple(result.shape))
        elif isinstance(result, (tuple, list)) and any(isinstance(part, Tensor) for part in result):
            self.give_up(n, NOT_KNOWN.format(n.name))
        return result

    def sources(self, node: fx.Node) -> list[Value]:
        """Return the tensors that an operation reads."""
        return [self.values[source] for source in node.all_input_nodes if source in self.values]

    def give_up(self, node: fx.Node, reason: str) -> None:
        """Freeze all that an operation reads."""
        for value in self.sources(node):
            if value.numbers is not None:
                self.found.freeze(value.numbers, reason)

    def _follow(self, node: fx.Node, result: Tensor) -> Value | None:
        """Return what is known of the channels of a result, None where nothing is; what it read is then frozen."""
        if node.op == "placeholder":
            return None
        if node.op == "get_attr":
            return self._attribute(str(node.target), result)
        if node.op == "call_module":
            value = self._module(node, self.module.get_submodule(str(node.target)), result)
        else:
            rule = FUNCTIONS.get(getattr(node.target, "__name__", str(node.target)))
            value = rule(self, node, result) if rule else None
        if value is None:
            self.give_up(node, NOT_KNOWN.format(node.name))
        return value

    def _attribute(self, path: str, tensor: Tensor) -> Value | None:
        """A parameter used by itself, such as a scale (C,) or (1, C, 1, 1): its one dimension of more than 1 has channels."""
        wide = [dim for dim, size in enumerate(tensor.shape) if size > 1]
        if len(wide) != 1:
            return None
        module, _, attribute = path.rpartition(".")
        numbers = self.found.axis(module, attribute, wide[0], self.found.fresh(tensor.shape[wide[0]]), makes=True)
        return Value(tuple(tensor.shape), wide[0], numbers, zero=True)

    def _module(self, node: fx.Node, module: nn.Module, result: Tensor) -> Value | None:
        source, name = self.sources(node)[0], str(node.target)
        if isinstance(module, nn.Conv2d) and "weight" in module._parameters:
            return self._convolution(node, module, source, result)
        if isinstance(module, nn.Linear) and "weight" in module._parameters:
            return self._linear(name, module, source, result)
        if isinstance(module, nn.Flatten):
            return FUNCTIONS["flatten"](self, node, result)
        if isinstance(module, (*POINTWISE, *NOT_ZERO)):
            return keep_channels(source, result, zero=not isinstance(module, NOT_ZERO))
        if isinstance(module, nn.Hardtanh):
            return keep_channels(source, result, zero=module.min_val <= 0 <= module.max_val)
        if isinstance(module, nn.PReLU) and (module.num_parameters == 1 or source.dim == 1):
            if module.num_parameters > 1:
                self.found.axis(name, "weight", 0, source.numbers, makes=False)
            return keep_channels(source, result)
        if source.dim is None and isinstance(module, (*POOLING, _NormBase, nn.GroupNorm)):
            return Value(tuple(result.shape))
        if source.dim == 1 and isinstance(module, POOLING):
            return keep_channels(source, result)
        if source.dim == 1 and (isinstance(module, _NormBase) or (isinstance(module, nn.GroupNorm) and module.affine)):
            return self._norm(name, module, source, result)
        return None

    def _convolution(self, node: fx.Node, conv: nn.Conv2d, source: Value, result: Tensor) -> Value:
        name, reads = str(node.target), self._read(str(node.target), source, conv.in_channels)
        if conv.groups == 1 and source.numbers is not None and not source.zero:
            self.found.freeze(source.numbers, f"{name} reads it, and it is not zero where it is removed")
        record = self.found.convs.get(name)
        if record is None:
            record = self.found.convs[name] = ConvRecord(reads, self.found.fresh(conv.out_channels), [])
        self.found.join(record.inputs, reads)  # called again, the same weights read other channels
        for attribute in ("weight", "bias") if conv.bias is not None else ("weight",):
            self.found.axis(name, attribute, 0, record.outputs, makes=True)
        if conv.groups > 1:  # a group of channels goes whole, so that the filters of the others do not change
            self.found.join_blocks(reads, conv.groups)
            self.found.join_blocks(record.outputs, conv.groups, reads)
        else:
            self.found.axis(name, "weight", 1, reads, makes=False)
        if node not in self.read:
            self.found.freeze(record.outputs, "nothing that reaches the output reads it")
        record.sizes.append(tuple(source.shape[-2:]))
        record.norms.update(self._norm_of(user) for user in node.users)
        return Value(tuple(result.shape), len(result.shape) - 3, record.outputs, zero=True)

    def _norm_of(self, user: fx.Node) -> str | None:
        """Return the name of a batch norm with scale and shift, None of any other operation."""
        module = self.module.get_submodule(str(user.target)) if user.op == "call_module" else None
        return str(user.target) if isinstance(module, _NormBase) and module.affine else None

    def _linear(self, name: str, linear: nn.Linear, source: Value, result: Tensor) -> Value:
        if source.dim is not None and source.dim != len(source.shape) - 1:
            self.found.freeze(source.numbers, f"{name} mixes the positions of each of its channels")
        elif source.numbers is not None:
            if not source.zero:
                self.found.freeze(source.numbers, f"{name} reads it, and it is not zero where it is removed")
            self.found.axis(name, "weight", 1, source.numbers, makes=False)
        else:
            self.found.axis(name, "weight", 1, np.full(linear.in_features, KEPT), makes=False)
        return Value(tuple(result.shape))

    def _norm(self, name: str, norm: Any, source: Value, result: Tensor) -> Value:
        if isinstance(norm, nn.GroupNorm):  # its statistics are of a group of channels, which goes whole
            self.found.join_blocks(source.numbers, norm.num_groups)
        for attribute in ("weight", "bias", "running_mean", "running_var"):
            if getattr(norm, attribute, None) is not None:
                self.found.axis(name, attribute, 0, source.numbers, makes=True)
        return Value(tuple(result.shape), source.dim, source.numbers, zero=True)

    def _read(self, name: str, source: Value, count: int) -> Numbers:
        """Return the numbers of the channels that a convolution reads."""
        if source.dim == len(source.shape) - 3:
            return source.numbers
        if source.numbers is not None:
            self.found.freeze(source.numbers, f"{name} reads it in another dimension")
        return np.full(count, KEPT)


def _empty(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape without memory; all floats are of one precision, which does not matter here."""
    return torch.empty_like(tensor, device="meta", dtype=torch.float32 if tensor.is_floating_point() else None)


def _leading_to_output(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes that the output depends on."""
    found: set[fx.Node] = set()
    waiting = [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


class _Run(nn.Module):
    """The network as the tracer runs it."""

    def __init__(self, tracer: ChannelTracer) -> None:
        super().__init__()
        self.model, self.run = tracer.module, tracer.run

    def forward(self, *inputs: Tensor) -> None:
        self.run(*inputs, enable_io_processing=False)


def trace_channels(model: nn.Module, example: Sequence[Tensor]) -> tuple[fx.Graph, ChannelTracer]:
    """Trace a network in evaluation mode without computing anything; its own mode and values are left as they are.

    Raises:
        ValueError: torch.fx cannot trace it, or it does not run on tensors of this shape; the message is theirs.
    """
    training = {module: module.training for module in model.modules()}
    try:
        model.eval()
        graph = fx.Tracer().trace(model)
        tracer = ChannelTracer(model, graph)
        tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        empty = {f"model.{name}": _empty(tensor) for name, tensor in tensors}
        inputs = tuple(_empty(tensor) for tensor in example)
        torch.func.functional_call(_Run(tracer), empty, inputs, tie_weights=False)
    except Exception as error:  # the network's own code may raise anything when it is traced
        text = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise ValueError(
            f"{type(model).__name__} cannot be followed by torch.fx on inputs of shape "
            f"{', '.join(str(tuple(tensor.shape)) for tensor in example)} ({type(error).__name__}: {text})"
        ) from error
    finally:
        for module, mode in training.items():
            module.training = mode
    return graph, tracer
