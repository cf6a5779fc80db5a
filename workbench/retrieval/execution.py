"""Where work on shards runs: in this process, on a cluster of processes, or on machines that a Dask scheduler knows.

A task gets what all shards share and its own arguments, and returns little: features never travel between processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from workbench.training import CancelToken

if TYPE_CHECKING:
    from dask.distributed import Client

Scheduler = "None | str | int | Client"
"""``None``: this process, one shard after another. ``"local"`` or a number: so many new processes on this machine, of one thread
each (``"local"``: one per core); a script must then keep its own work under ``if __name__ == "__main__":``. Any other text: the
address of a Dask scheduler. Or a connected Dask client."""

Result = TypeVar("Result")
POLL_SECONDS = 0.25


def run_shards(
    task: Callable[..., Result],
    shared: object,
    arguments: Sequence[tuple[Any, ...]],
    *,
    scheduler: Scheduler = None,
    cancel: CancelToken | None = None,
    tick: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield index and result of ``task(shared, *arguments[index])``, each when it is done, in any order.

    Every task runs with one thread of torch, so that results do not depend on where it runs. A worker that dies is replaced and
    its tasks are run again; when they kill four workers, the run ends with an error.

    Args:
        task: a function of a module that the workers can import.
        shared: picklable; travels to each worker once.
        arguments: picklable, of each task.
        scheduler: where the tasks run.
        cancel: looked at several times a second; tasks that run on other machines still end what they do.
        tick: in this process, tasks also get the keyword ``tick`` and call it with the number of pictures they have just done.

    Raises:
        Cancelled: Stop was asked for.
        TypeError, ValueError: ``scheduler`` is none of these.
    """
    if scheduler is None:
        for index, one in enumerate(arguments):
            if cancel is not None:
                cancel.raise_if_cancelled()
            with one_thread():
                result = task(shared, *one, **({} if tick is None else {"tick": tick}))
            yield index, result
        return
    from dask.distributed import wait  # two seconds of import that work in this process need not wait for

    with connected(scheduler) as client:
        # a task of its own, not data that was sent: when the worker that holds it dies, another one makes it again
        everywhere = client.submit(_same, shared, pure=False)
        pending = {client.submit(_run, task, everywhere, one, pure=False): index for index, one in enumerate(arguments)}
        try:
            while pending:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                try:
                    done = wait(list(pending), timeout=POLL_SECONDS, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    continue
                for future in done:
                    index, result = pending.pop(future), future.result()
                    del future
                    yield index, result
        finally:
            client.cancel(list(pending))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: sums in the same order, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run(task: Callable[..., Result], shared: object, arguments: tuple[Any, ...]) -> Result:
    torch.set_num_threads(1)
    return task(shared, *arguments)


def _same(value: object) -> object:
    return value


@contextlib.contextmanager
def connected(scheduler: Scheduler) -> Iterator[Client]:
    """Yield a Dask client of a scheduler; processes that were started for it end with the block.

    Raises:
        TypeError, ValueError: it is none, see :data:`Scheduler`.
    """
    from dask.distributed import Client, LocalCluster

    if isinstance(scheduler, Client):
        yield scheduler
        return
    if isinstance(scheduler, bool) or not isinstance(scheduler, str | int):
        came = type(scheduler).__name__
        raise TypeError(
            f"scheduler must be None, 'local', a number of workers, an address or a Dask client, got {came}"
        )
    if isinstance(scheduler, int) and scheduler < 1:
        raise ValueError(f"scheduler must be at least 1 worker, got {scheduler}")
    with contextlib.ExitStack() as stack:
        where = scheduler
        if scheduler == "local" or isinstance(scheduler, int):
            # no limit of memory: mapped files would count, and those the system drops when it needs the room
            options = {"threads_per_worker": 1, "memory_limit": None, "dashboard_address": "127.0.0.1:0"}
            count = scheduler if isinstance(scheduler, int) else None
            where = stack.enter_context(LocalCluster(n_workers=count, processes=True, **options))
        try:
            client = Client(where)
        except OSError as error:
            raise ValueError(f"no Dask scheduler answers at {scheduler!r}: {error}") from None
        yield stack.enter_context(client)
