"""Long work of a panel: started, watched, stopped and waited for through methods of the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.panels.jobs import Job
from workbench.panels.status import one_line


class Work:
    """Background jobs, mixed into :class:`workbench.panels.base.Panel`."""

    @property
    def job(self) -> Job | None:
        """The running job, or the last one."""
        return self._jobs.job

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._jobs.running

    def run_job(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_done: Callable[[Any], None] | None = None,
        on_result: Callable[[Any], None] | None = None,
        label: str = "Working",
        **options: Any,
    ) -> Job | None:
        """Run ``function(*args, progress=..., cancel=..., **options)`` in the background, with a bar and a Stop button.

        Args:
            function: long work after the contract of :mod:`workbench.training.progress`; a generator function hands over
                what it has at each ``yield``, and the last value is its result.
            *args: positional arguments.
            on_done: gets the result on the kernel's own thread, also after Stop if there is one.
            on_result: gets each value that a generator function yields.
            label: what the person reads.
            **options: keyword arguments.

        Returns:
            The job, or None when another one is under way: then the status line says so, and nothing starts.
        """
        if self._jobs.job is not None and self.running:
            self.say(f"{self._jobs.job.label} is still running: stop it, or wait until it is done", "warning")
            return None
        job = Job(function, args, options, label)
        job.on_done = on_done
        self.say("")

        def hand_over(value: Any) -> None:
            if on_result is not None and job.error is None:
                try:
                    on_result(value)
                except Exception as error:
                    job.fail(error)

        self._jobs.start(job, hand_over)
        return job

    def _job_ended(self, job: Job) -> None:
        if job.state == "failed":
            self.last_traceback = job.traceback
            self.say(f"{job.label} failed after {job.seconds:.1f} s: {one_line(job.error)}", "error")
            return
        with self.guard(f"{job.label}: "):
            said = len(self.messages)
            if job.has_result and job.on_done is not None:
                job.on_done(job.result)
            if len(self.messages) == said:
                kept = "; the results so far are kept" if job.has_result else ""
                ended = (
                    f"done in {job.seconds:.1f} s"
                    if job.state == "done"
                    else f"stopped after {job.seconds:.1f} s{kept}"
                )
                self.say(f"{job.label}: {ended}", "good" if job.state == "done" else "info")

    def stop(self) -> None:
        """Ask the running job to stop at its next step."""
        self._jobs.cancel()

    def wait(self, timeout: float | None = None) -> Any:
        """Block until the running job has ended and its result is delivered, and return that result (None without one).

        Raises:
            TimeoutError: ``timeout`` seconds passed first.
        """
        self._jobs.wait(timeout)
        return self.job.result if self.job is not None else None
