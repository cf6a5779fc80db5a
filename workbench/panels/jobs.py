"""Long work behind a panel: one background thread, a progress bar, a Stop button and a result on the kernel's own thread."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from workbench.panels.status import full_traceback
from workbench.training.progress import Cancelled, CancelToken

_SHOW_EVERY = 0.1
_TICK_EVERY = 0.5


class Mailbox:
    """Calls that a worker thread hands to the thread that owns the widgets.

    Where an event loop runs (a kernel) the calls run on it, or inside :meth:`take` when that thread waits; where none
    runs (a script, a test) they run at once in the worker thread.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Remember the event loop of the calling thread, if it has one."""
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def post(self, call: Callable[[], None]) -> None:
        """Hand over one call from any thread."""
        if self.loop is None:
            call()
            return
        self._calls.put(call)
        with contextlib.suppress(RuntimeError):  # the loop closed: the call stays for take()
            self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()()

    def take(self, timeout: float) -> None:
        """Run the calls that wait; sleep up to ``timeout`` seconds for the first one."""
        with contextlib.suppress(queue.Empty):
            self._calls.get(timeout=timeout)()
            self._drain()


class Job:
    """One run of a function in the background; read :attr:`state`, :attr:`result` and :attr:`traceback` at any time.

    Args:
        function: called as ``function(*args, progress=..., cancel=..., **options)``; it may also be a generator function,
            whose last value is the result.  A function without a ``cancel`` parameter is stopped at its next ``progress``.
        args: positional arguments.
        options: keyword arguments.
        label: what the person reads while it runs.
    """

    def __init__(self, function: Callable[..., Any], args: tuple, options: dict[str, Any], label: str) -> None:
        self.function, self.args, self.options, self.label = function, args, options, label
        self.token = CancelToken()
        self.on_done: Callable[[Any], None] | None = None
        self.state = "running"
        self.delivered = False
        self.result: Any = None
        self.has_result = False
        self.error: BaseException | None = None
        self.traceback = ""
        self.step: tuple[int, int, str] = (0, 0, "")
        self.seconds = 0.0
        self._started = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the work is still under way."""
        return self.state == "running"

    @property
    def elapsed(self) -> float:
        """Seconds since the start, or until the end once there is one."""
        return time.monotonic() - self._started if self.running else self.seconds

    def run(self, show: Callable[[], None], on_result: Callable[[Any], None]) -> str:
        """Do the work in the calling thread and return the state it ended in: done, stopped or failed."""
        try:
            returned = self.function(*self.args, **self.options, **self._contract(show))
            if inspect.isgenerator(returned):
                for value in returned:
                    self.result, self.has_result = value, True
                    on_result(value)
                    if self.token.cancelled:
                        break
            else:
                self.result, self.has_result = returned, True
        except Cancelled:
            return "stopped"
        except BaseException as error:  # also SystemExit: a worker's end must always reach the panel
            self.fail(error)
            return "failed"
        return "stopped" if self.token.cancelled else "done"

    def fail(self, error: BaseException) -> None:
        """Note what went wrong, and end the work at its next look."""
        self.error, self.traceback = error, full_traceback(error)
        self.token.cancel()

    def _contract(self, show: Callable[[], None]) -> dict[str, Any]:
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            parameters = ()
        takes_any = not parameters or any(p.kind is p.VAR_KEYWORD for p in parameters)
        names = {p.name for p in parameters}
        takes_cancel = takes_any or "cancel" in names
        last_shown = 0.0

        def progress(done: int, total: int, message: str = "") -> None:
            nonlocal last_shown
            self.step = (done, total, message)
            if not takes_cancel:
                self.token.raise_if_cancelled()
            if time.monotonic() - last_shown >= _SHOW_EVERY or done >= total:
                last_shown = time.monotonic()
                show()

        offered = {"progress": progress, "cancel": self.token}
        return {name: value for name, value in offered.items() if takes_any or name in names}


class JobBar(widgets.HBox):
    """The row that shows a running job: bar, step and elapsed time, Stop.

    Args:
        on_end: called with the job when it ended, on the thread that owns the widgets.
    """

    def __init__(self, on_end: Callable[[Job], None]) -> None:
        self.bar = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="180px", flex="0 1 180px"))
        self.text = widgets.Label(layout=widgets.Layout(flex="1 1 200px"))
        self.stop = widgets.Button(
            description="Stop", icon="stop", tooltip="Stop at the next step and keep the results so far"
        )
        self.stop.layout.width = "auto"
        self.stop.on_click(lambda _: self.cancel())
        super().__init__([self.bar, self.text, self.stop], layout=widgets.Layout(display="none"))
        self.add_class("workbench-row")
        self.job: Job | None = None
        self._on_end = on_end
        self._mailbox = Mailbox()

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self.job is not None and self.job.running

    def start(self, job: Job, on_result: Callable[[Any], None]) -> None:
        """Run ``job`` in a daemon thread."""
        self.job = job
        self.stop.disabled = False
        self.layout.display = "flex"
        self._mailbox.open()
        self._show()
        if self._mailbox.loop is not None:
            self._mailbox.loop.call_later(_TICK_EVERY, self._tick, job)
        threading.Thread(target=self._work, args=(job, on_result), name=f"job: {job.label}", daemon=True).start()

    def _work(self, job: Job, on_result: Callable[[Any], None]) -> None:
        state = job.run(
            show=lambda: self._mailbox.post(self._show),
            on_result=lambda value: self._mailbox.post(lambda: on_result(value)),
        )
        self._mailbox.post(lambda: self._end(job, state))

    def _end(self, job: Job, state: str) -> None:
        job.seconds = job.elapsed
        self.layout.display = "none"
        try:
            job.state = state if job.error is None else "failed"
            self._on_end(job)
        finally:
            job.delivered = True

    def _tick(self, job: Job) -> None:
        if job.running and self._mailbox.loop is not None:
            self._show()
            self._mailbox.loop.call_later(_TICK_EVERY, self._tick, job)

    def _show(self) -> None:
        job = self.job
        if job is None:
            return
        done, total, message = job.step
        self.bar.value = done / total if total > 0 else 0.0
        steps = f"{done}/{total}" if total > 0 else ""
        doing = "stopping …" if job.token.cancelled else message
        self.text.value = " · ".join(part for part in (job.label, steps, doing, f"{job.elapsed:.0f} s") if part)

    def cancel(self) -> None:
        """Ask the running job to stop."""
        if self.running and self.job is not None:
            self.job.token.cancel()
            self.stop.disabled = True
            self._show()

    def wait(self, timeout: float | None = None) -> None:
        """Block until the job has ended and its result is delivered; safe inside a running event loop.

        Raises:
            TimeoutError: ``timeout`` seconds passed first; the job goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.job is not None and not self.job.delivered:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{self.job.label} was not done within {timeout:g} s")
            self._mailbox.take(0.02)
