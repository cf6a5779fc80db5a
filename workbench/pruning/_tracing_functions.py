"""What functions and methods of tensors do with channels: rules by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx

from workbench.pruning._channel_values import KEPT, Value

if TYPE_CHECKING:
    from workbench.pruning._tracing import ChannelTracer

Rule = Callable[["ChannelTracer", fx.Node, Tensor], Value | None]


def keep_channels(source: Value, result: Tensor, *, zero: bool = True) -> Value | None:
    """Return the channels of a result that has those of its source in the same dimension; ``zero`` where zero stays zero."""
    shape = tuple(result.shape)
    if source.dim is None:
        return Value(shape)
    if source.dim >= len(shape) or shape[source.dim] != source.shape[source.dim]:
        return None
    return Value(shape, source.dim, source.numbers, source.zero and zero)


def _through(zero: bool) -> Rule:
    def rule(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
        sources = tracer.sources(node)
        return keep_channels(sources[0], result, zero=zero) if len(sources) == 1 else None

    return rule


def _spatial(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    """Pooling and resizing: of the last two dimensions."""
    source = tracer.sources(node)[0]
    if source.dim is not None and source.dim >= len(source.shape) - 2:
        return None
    return keep_channels(source, result)


def _combine(zero_if: Callable[[list[bool]], bool]) -> Rule:
    """Return the rule of an operation on two tensors, element by element: channels that meet are kept together."""

    def rule(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
        operands = [tracer.values.get(operand, Value(())) for operand in (*node.args, *node.kwargs.values())[:2]]
        shape = tuple(result.shape)
        places = {len(shape) - len(operand.shape) + operand.dim for operand in operands if operand.dim is not None}
        if not places:
            return Value(shape)
        place = places.pop()
        if places:
            return None
        wide = [operand for operand in operands if _size_at(operand, place, len(shape)) == shape[place]]
        if any(operand.numbers is None for operand in wide):  # a number for each channel, not known by channel
            return None
        for operand in wide:
            tracer.found.join(wide[0].numbers, operand.numbers)
        return Value(shape, place, wide[0].numbers, zero_if([operand.zero for operand in operands]))

    return rule


def _size_at(source: Value, place: int, dims: int) -> int:
    """Return the size of an operand in a dimension of the result that it is broadcast to; 1 where it has none there."""
    own = place - (dims - len(source.shape))
    return source.shape[own] if own >= 0 else 1


def _concatenate(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    tensors = node.args[0] if node.args else node.kwargs.get("tensors")
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if not isinstance(tensors, (tuple, list)) or not isinstance(dim, int):
        return None
    sources = [tracer.values[tensor] for tensor in tensors]
    dim %= result.dim()
    dims = {source.dim for source in sources if source.dim is not None}
    if not dims:
        return Value(tuple(result.shape))
    if dims != {dim}:
        if len(dims) > 1 or any(source.dim is None for source in sources):
            return None
        for source in sources:  # side by side in space: the same channels
            tracer.found.join(sources[0].numbers, source.numbers)
        return Value(tuple(result.shape), sources[0].dim, sources[0].numbers, all(source.zero for source in sources))
    numbers = [np.full(source.shape[dim], KEPT) if source.numbers is None else source.numbers for source in sources]
    zero = all(source.zero for source in sources if source.numbers is not None)
    return Value(tuple(result.shape), dim, np.concatenate(numbers), zero)


def _rearrange(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    """Reshape, permute and the like: done to an array of the channels' numbers, and read off where they went.

    A size that is written in the network as a number would not fit once channels are gone; -1 and sizes that it asks for do.
    """
    source = tracer.sources(node)[0]
    if source.dim is None:
        return Value(tuple(result.shape))
    numbers = torch.from_numpy(source.numbers).reshape([-1] + [1] * (len(source.shape) - source.dim - 1))
    arguments, options = tracer.fetch_args_kwargs_from_env(node)
    where = 1 if node.args else 0
    moved = _apply(node, tracer, numbers.expand(source.shape).contiguous(), arguments[where:], options)
    varying = [dim for dim in range(moved.dim()) if moved.shape[dim] > 1 and not _is_constant(moved, dim)]
    if len(varying) != 1:
        return None
    (dim,) = varying
    if _is_written_as_number(node, dim):
        tracer.found.freeze(source.numbers, f"its number is written into {node.name}")
    found = moved.movedim(dim, 0).reshape(moved.shape[dim], -1)[:, 0].numpy().copy()
    return Value(tuple(result.shape), dim, found, source.zero)


def _apply(
    node: fx.Node, tracer: ChannelTracer, tensor: Tensor, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Tensor:
    if node.op == "call_module":
        return tracer.module.get_submodule(str(node.target))(tensor)
    options = {name: value for name, value in options.items() if not isinstance(value, Tensor)}
    if node.op == "call_method":
        return getattr(tensor, str(node.target))(*arguments, **options)
    return node.target(tensor, *arguments, **options)


def _is_constant(tensor: Tensor, dim: int) -> bool:
    return bool((tensor == tensor.narrow(dim, 0, 1)).all())


def _is_written_as_number(node: fx.Node, dim: int) -> bool:
    if node.target not in {"view", "reshape"} and getattr(node.target, "__name__", "") != "reshape":
        return False
    sizes = node.args[1:] or tuple(node.kwargs.values())
    sizes = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    return dim < len(sizes) and isinstance(sizes[dim], int) and sizes[dim] != -1


def _reduce(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    """Mean, sum and so on, over other dimensions than that of the channels."""
    source = tracer.sources(node)[0]
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if source.dim is None:
        return Value(tuple(result.shape))
    if dims is None or isinstance(dims, fx.Node):
        return None
    gone = {dim % len(source.shape) for dim in (dims if isinstance(dims, (tuple, list)) else (dims,))}
    if source.dim in gone:
        return None
    shift = 0 if result.dim() == len(source.shape) else sum(dim < source.dim for dim in gone)
    return Value(tuple(result.shape), source.dim - shift, source.numbers, source.zero)


def _index(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    """``x[:, :, ::2]`` and the like: slices of other dimensions than that of the channels."""
    sources = tracer.sources(node)
    if len(sources) != 1 or sources[0].dim is None:
        return Value(tuple(result.shape)) if sources and sources[0].dim is None else None
    index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    kept = all(isinstance(part, slice) for part in index)
    whole = len(index) <= sources[0].dim or index[sources[0].dim] == slice(None)
    return keep_channels(sources[0], result) if kept and whole else None


def _pad(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    source = tracer.sources(node)[0]
    value = node.args[3] if len(node.args) > 3 else node.kwargs.get("value")
    return keep_channels(source, result, zero=not value)


def _normalise(tracer: ChannelTracer, node: fx.Node, result: Tensor) -> Value | None:
    """Division by the norm of a pixel: channels of zeros do not change it."""
    source = tracer.sources(node)[0]
    return keep_channels(source, result) if source.zero else None


_ZERO_STAYS = """
relu relu_ relu6 leaky_relu leaky_relu_ elu elu_ selu selu_ celu gelu silu mish hardswish tanh tanh_ softsign tanhshrink hardtanh
abs neg sqrt square dropout dropout_ dropout2d alpha_dropout stochastic_depth contiguous clone detach float half double
bfloat16 to
"""
_ZERO_GOES = "sigmoid sigmoid_ hardsigmoid softplus logsigmoid exp exp_ rsqrt reciprocal cos log1p"
_SPATIAL = """
max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d lp_pool2d interpolate upsample
"""
_REARRANGE = """
flatten reshape view permute transpose swapaxes movedim moveaxis squeeze unsqueeze
"""
FUNCTIONS: dict[str, Rule] = (
    {name: _through(True) for name in _ZERO_STAYS.split()}
    | {name: _through(False) for name in _ZERO_GOES.split()}
    | dict.fromkeys(_SPATIAL.split(), _spatial)
    | dict.fromkeys(_REARRANGE.split(), _rearrange)
    | {name: _combine(all) for name in ("add", "add_", "iadd", "sub", "sub_", "isub", "maximum", "minimum")}
    | {name: _combine(any) for name in ("mul", "mul_", "imul", "multiply")}
    | {name: _combine(lambda zeros: zeros[0]) for name in ("div", "div_", "truediv", "itruediv")}
    | dict.fromkeys(("cat", "concat", "concatenate"), _concatenate)
    | dict.fromkeys(("mean", "sum", "amax", "amin"), _reduce)
    | {"getitem": _index, "pad": _pad, "normalize": _normalise}
)
