"""What goes on beside the computation: batches are read before they are needed, shards written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_OFTEN = 0.1
_PATIENCE = 5.0
"""For how long a thread that waits for the data is waited for; it ends with the process."""


class _End:
    """What comes after the last item: nothing, or what went wrong."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[T], n: int) -> Iterator[T]:
    """The items, n of which are made before they are asked for, by a thread of their own."""
    if n == 0:
        yield from items
        return
    reader = _Reader(items, n)
    try:
        while True:
            item = reader.made.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is not None:
                raise item.error
            else:
                return
    finally:
        reader.stop()


class _Reader(Generic[T]):
    """The thread that makes the items."""

    def __init__(self, items: Iterator[T], n: int) -> None:
        self._items = items
        self.made: queue.Queue[T | _End] = queue.Queue(n)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trulens read ahead", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        try:
            for item in self._items:
                self._put(item)
                if self._stopped.is_set():
                    return
            self._put(_End(None))
        except BaseException as error:  # noqa: BLE001 - raised where the items are used
            self._put(_End(error))

    def _put(self, item: T | _End) -> None:
        while not self._stopped.is_set():
            try:
                return self.made.put(item, timeout=_OFTEN)
            except queue.Full:
                continue
        return None


class Writer(Generic[T]):
    """A thread that writes what it is given, one item after the other.

    It holds one item beside the one at work, so that memory does not grow when the disk is slow.
    What goes wrong is raised by the next call.
    """

    def __init__(self, write: Callable[[T], None]) -> None:
        self._write = write
        self._queue: queue.Queue[T | None] = queue.Queue(1)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="trulens write", daemon=True)

    def put(self, item: T) -> None:
        """Write an item, as soon as those before are written."""
        self._raise()
        self._queue.put(item)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # taken, so that nobody waits
            try:
                self._write(item)
            except BaseException as error:  # noqa: BLE001 - raised where the items come from
                self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Writer[T]:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._raise()
