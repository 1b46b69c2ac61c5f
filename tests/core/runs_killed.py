"""Runs in processes of their own that are killed: at a moment by chance, or in a certain call.

python runs_killed.py MODE FOLDER N SEED: prints as JSON what came of it.
"""

import json
import os
import random
import resource
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import zarr.codecs
import zarr.core.sync
import zarr.storage

from trulens_core import IntegratedGradients, explain_dataset
from trulens_core.datasets import files
from trulens_core.testing import small_model

N, BATCH, SHARD = 96, 8, 8
assert zarr.storage  # imported before processes are forked, not by each
MODEL, _ = small_model()


files.os.fsync = lambda _: None  # a kill takes nothing from the system, as a power cut does


def records():
    return np.random.default_rng(0).standard_normal((N, 5))


def run(out):
    warnings.simplefilter("ignore")
    method = IntegratedGradients(MODEL, resolution=5, qoi="predicted")
    return explain_dataset(method, records(), out, batch_size=BATCH, shard=SHARD)


def forked(work):
    """The number of a process that does it; this one goes on at once."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ended(child):
    """The signal that ended it, or minus the code that it gave."""
    _, status = os.waitpid(child, 0)
    return status & 127 or -(status >> 8)


def by_chance(out, kills, seed):
    """Killed so often at random moments, then left alone."""
    chance = random.Random(seed)
    began = time.monotonic()
    assert ended(forked(lambda: run(Path(f"{out}.whole")))) == 0
    takes = time.monotonic() - began
    killed = 0
    for _ in range(kills):
        child = forked(lambda: run(out))
        time.sleep(chance.uniform(0, takes / 2))
        os.kill(child, signal.SIGKILL)
        killed += ended(child) == signal.SIGKILL
    assert ended(forked(lambda: run(out))) == 0
    return {"killed": killed}


class Count:
    """Kills the process in the n-th of the calls that write; half of what is written is there."""

    def __init__(self, n):
        self.left = n

    def __call__(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self):
        replace, append = Path.replace, files.Log.append

        def halved(path, target):
            if self.left == 1:
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            self()
            found = replace(path, target)
            self()
            return found

        def synced(_):
            self()

        def appended(log, line):
            if self.left == 1:
                log._file.write(line[: len(line) // 2])
                log._file.flush()
            self()
            append(log, line)
            self()

        files.os.fsync, Path.replace, files.Log.append = synced, halved, appended


def in_calls(out, every, first):
    """For each n-th call that writes a store that was killed there, and then gone on with."""
    kills = 0
    for n in range(first, 10_000, every):
        own = Path(f"{out}.{n}")

        def work(n=n, own=own):
            Count(n).install()
            run(own)

        signalled = ended(forked(work))
        kills += signalled == signal.SIGKILL
        assert signalled in (0, signal.SIGKILL)
        assert ended(forked(lambda own=own: run(own))) == 0
        if signalled == 0:
            break
    return {"killed": kills}


def limited(out, size, _):
    """With no file longer than so many bytes."""
    ours, theirs = os.pipe()

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            run(out)
        except OSError as error:
            os.write(theirs, str(error).encode())
            os._exit(3)

    code = ended(forked(work))
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    assert ended(forked(lambda: run(out))) == 0
    return {"code": code, "said": said}


if __name__ == "__main__":
    modes = {"chance": by_chance, "calls": in_calls, "limited": limited}
    mode, folder, *numbers = sys.argv[1:]
    sys.stdout.write(json.dumps(modes[mode](Path(folder), *map(int, numbers))))
