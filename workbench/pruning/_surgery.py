"""Cut branches that have become constants out of a shrunk network."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.functional import conv2d

from workbench.pruning._liveness import EMPTY, Liveness
from workbench.pruning.channel_graph import ChannelGraph, Keep

NOT_IN_PLACE = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


def cut_dead_branches(
    small: nn.Module, model: nn.Module, graph: ChannelGraph, keep: Keep, liveness: Liveness
) -> nn.Module:
    """Return the shrunk network without its dead branches: the modules around them are replaced by traced ones, in place.

    Args:
        small: the shrunk network; its dead branches are still there, and cannot run.
        model: the network before, of which the constants are computed.
        graph: of that network.
        keep: (units,) flags.
        liveness: of these flags.
    """
    removed = graph.live(graph.everything()).needed - liveness.needed
    constants = _Constants(model, graph, keep, liveness)
    for scope in _scopes(graph, removed, liveness):
        module = small.get_submodule(scope)
        training = {name: part.training for name, part in module.named_modules()}
        flow = fx.Tracer().trace(module.eval())  # what depends on the mode is traced as it is used
        nodes = _matched(graph, scope, flow)
        for index, dead in liveness.folds.items():
            if index in nodes:
                constant = constants.of(dead)
                _fold(
                    module,
                    flow,
                    nodes[index],
                    nodes[dead],
                    constant,
                    graph.steps[index].scope[len(scope) :].lstrip("."),
                )
        for index, dropped in liveness.dropped.items():
            if index in nodes:
                nodes[index].args = (
                    [part for part in nodes[index].args[0] if part not in {nodes[source] for source in dropped}],
                    *nodes[index].args[1:],
                )
        for index in sorted(removed & nodes.keys(), reverse=True):
            flow.erase_node(nodes[index])
        traced = fx.GraphModule(module, flow, class_name=type(module).__name__)
        for name, part in traced.named_modules():
            part.training = training[name]
        if not scope:
            return traced
        small.set_submodule(scope, traced)
    return small


def _scopes(graph: ChannelGraph, removed: set[int], liveness: Liveness) -> list[str]:
    """Return the smallest modules that hold whole dead branches and the sums they run into; none lies in another."""
    region = {index: index for index in removed | liveness.folds.keys() | liveness.dropped.keys()}

    def root(index: int) -> int:
        while region[index] != index:
            index = region[index]
        return index

    for index in region:
        for source in graph.steps[index].reads:
            if source in removed:
                region[root(source)] = root(index)
    together: dict[int, list[list[str]]] = {}
    for index in region:
        scope = graph.steps[index].scope
        together.setdefault(root(index), []).append(scope.split(".") if scope else [])
    common = set()
    for paths in together.values():
        same = 0
        while all(len(path) > same and path[same] == paths[0][same] for path in paths):
            same += 1
        common.add(".".join(paths[0][:same]))
    return sorted(scope for scope in common if not any(_inside(scope, other) for other in common - {scope}))


def _inside(scope: str, other: str) -> bool:
    return not other or scope == other or scope.startswith(f"{other}.")


def _matched(graph: ChannelGraph, scope: str, flow: fx.Graph) -> dict[int, fx.Node]:
    """Return the nodes of a module traced alone by the steps of the whole network: both come in the order in which they run."""
    inside = [
        index
        for index, step in enumerate(graph.steps)
        if step.kind not in {"input", "output"} and _inside(step.scope, scope)
    ]
    nodes = [node for node in flow.nodes if node.op not in {"placeholder", "output"}]
    prefix = f"{scope}." if scope else ""
    targets = [getattr(node.target, "__name__", str(node.target)) for node in nodes]
    full = [
        f"{prefix}{target}" if node.op in {"call_module", "get_attr"} else target
        for node, target in zip(nodes, targets, strict=True)
    ]
    if full != [graph.steps[index].target for index in inside]:
        raise ValueError(
            f"{scope or 'the network'} runs other operations by itself than in the network (it may be called more than once), so a "
            "branch of it cannot be cut out: keep at least one channel of each of its groups"
        )
    return dict(zip(inside, nodes, strict=True))


def _fold(module: nn.Module, flow: fx.Graph, node: fx.Node, dead: fx.Node, constant: Tensor, path: str) -> None:
    """Let a sum or product read a parameter where it read the dead branch."""
    owner = module.get_submodule(path)
    name = "add_bias"
    while hasattr(owner, name):
        name += "_"
    owner.register_parameter(name, nn.Parameter(constant))
    with flow.inserting_before(node):
        attribute = flow.get_attr(f"{path}.{name}" if path else name)
    node.args = tuple(attribute if argument is dead else argument for argument in node.args)
    node.kwargs = {key: attribute if argument is dead else argument for key, argument in node.kwargs.items()}
    if node.op == "call_method":  # the constant has no room for what an in-place sum would write into it
        node.op, node.target = "call_function", getattr(torch, str(node.target).rstrip("_"))
    node.target = NOT_IN_PLACE.get(node.target, node.target)


class _Constants:
    """The numbers (1, C, 1, 1) that dead branches give in evaluation mode, of the channels that are kept."""

    def __init__(self, model: nn.Module, graph: ChannelGraph, keep: Keep, liveness: Liveness) -> None:
        self.model, self.steps, self.states = model, graph.steps, liveness.states
        self.kept = np.append(keep, True)
        self.nodes = list(fx.Tracer().trace(model).nodes)
        self.place = {node: index for index, node in enumerate(self.nodes)}

    @torch.no_grad()
    def of(self, index: int) -> Tensor:
        """Return the constant of a step."""
        training = {part: part.training for part in self.model.modules()}
        self.model.eval()
        try:
            value = self._value(index)
        finally:
            for part, mode in training.items():
                part.training = mode
        units = self.steps[index].units
        return value if units is None else value[:, torch.from_numpy(self.kept[units]).to(value.device)]

    def _value(self, index: int) -> Tensor:
        """Return the constant of all channels, zero where they are removed."""
        value, units = self._result(index), self.steps[index].units
        if units is None or self.steps[index].kind == "attribute":
            return value
        return value * torch.from_numpy(self.kept[units]).to(value).reshape(1, -1, *[1] * (value.dim() - 2))

    def _result(self, index: int) -> Tensor:
        step, node = self.steps[index], self.nodes[index]
        if self.states[index] == EMPTY:
            like = next(self.model.parameters())
            return like.new_zeros(1, len(step.units), 1, 1)
        if step.kind == "attribute":
            owner, _, attribute = step.target.rpartition(".")
            return getattr(self.model.get_submodule(owner), attribute)
        if step.kind == "pooling":
            return self._value(step.reads[0])
        if node.op == "call_module":
            module = self.model.get_submodule(step.target)
            source = self._value(step.reads[0])
            if isinstance(module, nn.Conv2d):  # of one value everywhere, or of zeros, whose edge is zero too
                return conv2d(source, module.weight.sum((2, 3), keepdim=True), module.bias, groups=module.groups)
            return module(source.clone())
        arguments = [self._argument(argument) for argument in node.args]
        options = {name: self._argument(argument) for name, argument in node.kwargs.items()}
        if node.op == "call_method":
            return getattr(arguments[0].clone(), str(node.target))(*arguments[1:], **options)
        return node.target(*arguments, **options)

    def _argument(self, argument: Any) -> Any:
        return self._value(self.place[argument]) if isinstance(argument, fx.Node) else argument
