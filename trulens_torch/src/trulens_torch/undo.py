"""Putting back what a call changes, wherever an interrupt arrives."""

from __future__ import annotations

import functools
from collections.abc import Callable


class Undo:
    """Steps that put back what is about to be changed, run last first.

    Law: if every step was noted before its change was made, and may be carried out twice, then
    nothing stays changed after

        undo = Undo()
        try:
            ...
        finally:
            try:
                undo.run()
            finally:
                undo.run()

    though a KeyboardInterrupt arrive at any moment, while things are put back as well.
    `contextlib.ExitStack` does not have this law: it forgets a step before it carries it out.
    """

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def note(self, step: Callable[..., object], *args: object) -> None:
        """`step(*args)` will put back what comes next."""
        self._steps += (functools.partial(step, *args),)

    def run(self) -> None:
        """Carry out all steps, each by itself; the last error is raised at the end."""
        raised: BaseException | None = None
        steps = self._steps
        while steps:
            try:
                steps[-1]()
                del steps[-1]
            except Exception as error:  # noqa: BLE001 - the other steps must be carried out too
                raised = error
                del steps[-1]  # it would fail again
            except BaseException as error:  # noqa: BLE001 - an interrupted one is carried out again
                raised = error
        if raised is not None:
            raise raised
