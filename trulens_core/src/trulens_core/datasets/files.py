"""Files that are there whole or not at all, also after a kill or when the disk is full."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from trulens_core.errors import ResumeError


class Drafts:
    """A folder for files that are being written; what a killed process left there is removed.

    Args:
        folder: of this process alone, on the disk that the files are for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clear()

    def clear(self) -> None:
        """Leave nothing there."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, target: Path, content: bytes) -> None:
        """Write a file under a name of its own, synced, and give it the name that is meant.

        Its folder is not synced: see `synced`.
        """
        self._folder.mkdir(exist_ok=True)
        draft = self._folder / uuid4().hex
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def synced(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Log:
    """A file of lines that only grows, and that one process at a time holds.

    Args:
        path: of the file.
        length: how long it was when it was last whole; what is behind that is cut off.

    Raises:
        ResumeError: where another process holds it.
    """

    def __init__(self, path: Path, length: int) -> None:
        self._file = path.open("ab")
        try:
            _hold(self._file.fileno(), path)
            self._file.truncate(length)
        except BaseException:
            self._file.close()
            raise
        self._length = length

    def append(self, line: bytes) -> None:
        """Add a line, and have it on the disk; on an error the file is as it was."""
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), self._length)
            raise
        self._length += len(line)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what could not be written was cut off
            self._file.close()


def _hold(handle: int, path: Path) -> None:
    """Hold the file until it is closed, or the process ends in whatever way."""
    try:
        import fcntl
    except ImportError:  # on Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ResumeError(
            f"another process is writing to {path.parent.parent}; wait for it, or give each "
            "process a rank= of its own"
        ) from error
    except OSError:  # a file system without locks
        return


@contextlib.contextmanager
def told(path: Path, done: str) -> Iterator[None]:
    """Errors of the system, told with what was being written and how far it is."""
    try:
        yield
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError | PermissionError):
            raise
        reason = error.strerror or str(error)
        raise OSError(
            error.errno,
            f"{path} could not be written: {reason}. {done}; the same call goes on from there",
        ) from error
