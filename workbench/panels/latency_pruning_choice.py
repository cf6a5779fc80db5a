"""What the panel of notebook 10 is about: a network, a device, and how much of the latency may stay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import traitlets
from torch import Tensor, nn

from workbench.experiments.latency_pruning import pruned
from workbench.panels.latency_pruning_networks import NETWORKS, TITAN_NETWORK, Subject
from workbench.pruning import (
    PLATFORMS,
    ChannelGraph,
    ChannelPlan,
    HALPConfig,
    HALPPruner,
    LatencyTable,
    MagnitudeImportance,
    simulate_latency_table,
    titan_v_table,
)
from workbench.pruning.pruner import UnreachableError

MEASURED = "TITAN V, measured"
SIMULATED = {f"{platform.name}, simulated": name for name, platform in PLATFORMS.items()}


class PruningChoice(traitlets.HasTraits):
    """A network, a device and a budget, mixed into :class:`workbench.panels.base.Panel`.

    ``network``, ``platform`` (the latency table) and ``budget``, the share of the latency by the table that may stay (%).
    """

    network = traitlets.Unicode(TITAN_NETWORK)
    platform = traitlets.Unicode(MEASURED)
    budget = traitlets.Int(55)

    def build_choice(self) -> None:
        """Make the controls of the top row."""
        self.subjects: dict[str, Callable[[], Subject]] = dict(NETWORKS)
        self.tables: dict[str, LatencyTable] = {name: simulate_latency_table(key) for name, key in SIMULATED.items()}
        self._drawn: dict[str, tuple] = {}
        self._generation = 0
        self._measuring: dict[str, str] = {}
        self._made = lru_cache(maxsize=8)(lambda name, generation: self.subjects[name]())
        self._pruners = lru_cache(maxsize=32)(self._make_pruner)
        self._plans = lru_cache(maxsize=512)(self._make_plan)
        self._accuracies = lru_cache(maxsize=512)(self._find_accuracy)
        self.tables = {MEASURED: titan_v_table()} | self.tables
        self.dropdown("network", list(self.subjects), "Network", tooltip="What is to become faster")
        self.dropdown("platform", list(self.tables), "Device", tooltip="Whose latency table is asked")
        self.slider("budget", 20, 100, 1, "Latency that may stay", "%", tooltip="Of the latency of the whole network")

    @property
    def subject(self) -> Subject:
        """The network that is shown."""
        return self._made(self.network, self._generation)

    @property
    def pruner(self) -> HALPPruner:
        """Of the network and device that are shown."""
        return self.pruner_for(self.platform)

    @property
    def target(self) -> float:
        """The budget in ms; where no plan is that fast, the least one that was found to be met."""
        return self.plan_for(self.platform, self.budget).budget

    def pruner_for(self, platform: str) -> HALPPruner:
        """Return the pruner of the network on a device.

        Raises:
            KeyError: its table does not know a layer of the network.
        """
        return self._pruners(self.network, platform, self._generation)

    def plan_for(self, platform: str, budget: int) -> ChannelPlan:
        """Return the plan that just meets a budget (%) on a device, or the least larger one, in steps of 5 %, that can be met."""
        return self._plans(self.network, platform, budget, self._generation)

    def accuracy(self) -> float | None:
        """Return the accuracy (%) of the pruned network with renewed statistics, untuned; None where it is not trained."""
        return self._accuracies(*self.state_key())

    def state_key(self) -> tuple:
        """Return what all numbers depend on."""
        return self.network, self.platform, self.budget, self._generation

    def fresh(self, name: str, *key: Any) -> bool:
        """Return whether a view is to be drawn: False when it was drawn for this very state last."""
        if self._drawn.get(name) == key:
            return False
        self._drawn[name] = key
        return True

    def fit_platforms(self) -> None:
        """Offer the devices whose tables know this network."""
        if self.usable() != list(dict(self.controls["platform"].options)):
            self.set_options("platform", self.usable())

    def usable(self) -> list[str]:
        """Return the devices whose tables know the layers of the network."""
        subject, found = self.subject, []
        for name, table in self.tables.items():
            if name == MEASURED and self.network != TITAN_NETWORK:
                continue  # its rows are those of this network; others would be approximated throughout
            if self._measuring.get(name, self.network) != self.network:
                continue  # it would measure every layer of a network that nobody asked for
            try:
                subject.graph.latency(table, subject.batch)
            except (KeyError, ValueError):
                continue
            found.append(name)
        return found

    def add_network(self, name: str, model: nn.Module, example: Tensor, *, batch: int = 1, scores: Any = None) -> None:
        """Show a network of your own.

        Args:
            name: what it is called here.
            model: any network that torch.fx can trace.
            example: one input.
            batch: images at once on the device.
            scores: (units,) importances, such as those of ``TaylorImportance``; None for the magnitude of the weights.

        Raises:
            ValueError: it cannot be traced, has nothing to prune, or ``scores`` are of another length.
        """
        graph = ChannelGraph.trace(model.eval(), example)
        if not graph.groups:
            raise ValueError(f"{name} has no channels that may be removed: {dict(list(graph.frozen.items())[:3])}")
        origin = "magnitude of the weights" if scores is None else "importances that were given"
        scores = MagnitudeImportance(graph).scores(model) if scores is None else np.asarray(scores, float)
        if scores.shape != (graph.units,):
            raise ValueError(f"scores must be {graph.units} numbers, one a unit, got shape {scores.shape}")
        subject = Subject(model, graph, example, batch, scores, origin)
        self.subjects[name] = lambda: subject
        self._renew()
        with self.hold():
            self.set_options("network", list(self.subjects))
            self.network = name
            self.fit_platforms()

    def add_table(self, name: str, table: LatencyTable) -> None:
        """Offer the latency table of another device and show it; one that measures is offered for the network shown alone.

        Raises:
            ValueError: it knows none of the networks here.
            KeyError: it does not know a layer of the network that is shown; the message names the nearest that it knows.
        """
        self.subject.graph.latency(table, self.subject.batch)
        self.tables[name] = table
        if table.measure is not None:
            self._measuring[name] = self.network
        self._renew()
        with self.hold():
            self.set_options("platform", self.usable())
            self.platform = name

    def _renew(self) -> None:
        self._generation += 1
        for cache in (self._made, self._pruners, self._plans, self._accuracies):
            cache.cache_clear()

    def _find_accuracy(self, network: str, platform: str, budget: int, generation: int) -> float | None:
        task = self._made(network, generation).task
        return None if task is None else task.accuracy(pruned(task, self._plans(network, platform, budget, generation)))

    def _make_pruner(self, network: str, platform: str, generation: int) -> HALPPruner:
        subject = self._made(network, generation)
        config = HALPConfig(refill=True, granularity=subject.granularity)
        return HALPPruner(subject.model, subject.graph, self.tables[platform], subject.batch, config)

    def _make_plan(self, network: str, platform: str, budget: int, generation: int) -> ChannelPlan:
        pruner, scores = self._pruners(network, platform, generation), self._made(network, generation).scores
        for share in (*range(budget, 100, 5), 100):
            target = share / 100 * pruner.initial_latency
            with contextlib.suppress(UnreachableError):
                pruner.solve(target, scores, refill=False)
                return pruner.solve(target, scores)
        raise UnreachableError(f"no plan of {network} was found on {platform}")


def macs(subject: Subject, plan: ChannelPlan) -> float:
    """Return the share of the multiplications that a plan leaves (%)."""
    graph = subject.graph
    whole, left = (sum(spec.macs for spec in graph.specs(subject.batch, keep)) for keep in (None, plan.keep))
    return 100 * left / whole


def importance(subject: Subject, plan: ChannelPlan) -> float:
    """Return the share of the importance that a plan keeps (%)."""
    return 100 * float(subject.scores[subject.graph.effective(plan.keep)].sum() / subject.scores.sum())
