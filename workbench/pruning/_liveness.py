"""What still depends on the input of a network once channels are gone, and what has become a constant.

A convolution that reads nothing but removed channels gives its bias, whatever the image; so does all that follows it, up to a sum
with a branch that is alive.  There the constant of each channel takes the branch's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.pruning._flow import Step

LIVE, CONSTANT, EMPTY, UNEVEN = "live", "constant", "empty", "uneven"
"""A result depends on the image; is one number a channel; has no channels; or is constant, but not the same everywhere."""


@dataclass(frozen=True)
class Liveness:
    """The state of each step, and what follows from them.

    Attributes:
        states: of each step.
        needed: steps that the output depends on and that depend on the input.
        folds: sums and products that are needed, each with the step that is a constant there.
        dropped: concatenations that are needed, each with the steps that have no channels left.
        broken: why the network would not be one any more, None where it is: its output does not depend on the input, or a
            constant comes where it cannot be replaced by a number a channel.
    """

    states: tuple[str, ...]
    needed: frozenset[int]
    folds: dict[int, int]
    dropped: dict[int, tuple[int, ...]]
    broken: str | None


def follow(steps: Sequence[Step], keep: NDArray[np.bool_]) -> Liveness:
    """Return what is alive when the units flagged in ``keep`` (units,) are kept."""
    kept = np.append(keep, True)  # unit -1 is never removed
    states: list[str] = []
    dead: list[bool] = []  # constant because channels are gone, and not because it is a parameter
    for step in steps:
        empty = step.units is not None and not kept[step.units].any()
        states.append(EMPTY if empty else _state(step, [states[source] for source in step.reads]))
        dead.append(empty or (states[-1] != LIVE and any(dead[source] for source in step.reads)))
    needed: set[int] = set()
    folds: dict[int, int] = {}
    dropped: dict[int, tuple[int, ...]] = {}
    broken = None
    waiting = [index for index, step in enumerate(steps) if step.kind == "output"]
    while waiting:
        index = waiting.pop()
        if index in needed:
            continue
        needed.add(index)
        step = steps[index]
        gone = [source for source in step.reads if dead[source]]
        waiting.extend(source for source in step.reads if not dead[source])
        if not gone:
            continue
        if step.kind == "output":
            broken = "its output no longer depends on its input"
        elif step.kind in {"sum", "product"} and len(gone) == 1 and states[gone[0]] == CONSTANT:
            folds[index] = gone[0]
        elif step.kind == "concatenation" and all(states[source] == EMPTY for source in gone):
            dropped[index] = tuple(gone)
        else:
            broken = f"a constant reaches {step.name}"
    return Liveness(tuple(states), frozenset(needed), folds, dropped, broken)


def _state(step: Step, sources: list[str]) -> str:
    if step.kind in {"input", "output"} or LIVE in sources:
        return LIVE
    if step.kind == "attribute":
        return CONSTANT
    if step.kind in {"conv", "padded conv", "linear"} and sources == [EMPTY]:
        return CONSTANT
    if UNEVEN in sources or step.kind in {"padded conv", "other", "concatenation"}:
        return UNEVEN
    return CONSTANT
