"""What a run over a data set costs beside the bare loop: time, memory, bytes on the disk.

python benchmarks/data_set_runs.py [--records 100000] [--actors]
"""

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from trulens_core import (
    AttributionMethod,
    IntegratedGradients,
    Keep,
    RayEngine,
    Saliency,
    explain_dataset,
)

FEATURES, CLASSES, BATCH = 64, 10, 500


def method(width=256, resolution=16):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(FEATURES, width), nn.GELU(), nn.Linear(width, CLASSES))
    return IntegratedGradients(layers, qoi="predicted", resolution=resolution)


def heavy():
    torch.set_num_threads(1)
    return method(1024, 64)


def records(n):
    return np.random.default_rng(0).standard_normal((n, FEATURES)).astype("float32")


def bare(of, x):
    """The loop by hand."""
    for i in range(0, len(x), BATCH):
        of.explain(x[i : i + BATCH])


def peak():
    """The most memory this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(function, *given, clock=time.perf_counter, **options):
    begun = clock()
    found = function(*given, **options)
    return clock() - begun, found


def both(function, *given, **options):
    """Seconds of the clock, seconds of this process on all cores, and what it gives."""
    begun = time.process_time()
    wall, found = timed(function, *given, **options)
    return wall, time.process_time() - begun, found


def share(of, x, folder):
    """What a run needs of the processor beside `explain`, by its thread and by all.

    Both are of one run, so that what else the machine does moves both.
    """
    spent = []
    explain = AttributionMethod.explain

    def timed_explain(self, *args, **kwargs):
        begun = time.thread_time()
        found = explain(self, *args, **kwargs)
        spent.append(time.thread_time() - begun)
        return found

    AttributionMethod.explain = timed_explain
    try:
        mine, all_threads = time.thread_time(), time.process_time()
        explain_dataset(of, x, folder / "share.zarr", batch_size=BATCH)
        ended = time.thread_time() - mine, time.process_time() - all_threads
        return [t / sum(spent) - 1 for t in ended]
    finally:
        AttributionMethod.explain = explain


def own_work(of, x, folder):
    """What a run computes itself: `explain` gives at once what it gave for the first batch."""
    explain = AttributionMethod.explain
    found = of.explain(x[:BATCH])
    AttributionMethod.explain = lambda *_: found
    try:
        begun = time.thread_time(), time.process_time()
        explain_dataset(of, x, folder / "own.zarr", batch_size=BATCH)
        return time.thread_time() - begun[0], time.process_time() - begun[1]
    finally:
        AttributionMethod.explain = explain


def overhead(n, rounds, folder):
    of, x = method(), records(n)
    few = x[: 20 * BATCH]
    bare(of, few)
    explain_dataset(of, few, folder / "warm.zarr", batch_size=BATCH)
    pairs = []
    for i in range(rounds):
        loop, loop_cpu, _ = both(bare, of, x)
        run, run_cpu, found = both(explain_dataset, of, x, folder / f"{i}.zarr", batch_size=BATCH)
        pairs.append(run_cpu / loop_cpu)
        print(
            f"{n} records: loop {loop:.2f} s, run {run:.2f} s; of the processor {loop_cpu:.2f} and "
            f"{run_cpu:.2f} s, {run_cpu / loop_cpu - 1:+.1%}; {found.nbytes / 2**20:.1f} MiB "
            f"where the attributions alone have {x.nbytes / 2**20:.1f} MiB"
        )
    print(f"median overhead {np.median(pairs) - 1:+.1%} of the processor's time")
    mine, all_threads = share(of, x, folder)
    print(
        f"beside explain itself, in one run: {mine:+.1%} in the thread that explains, "
        f"{all_threads:+.1%} with those that read and write beside it"
    )
    begun = time.process_time()
    bare(of, few)
    each = (time.process_time() - begun) / len(few) * n
    mine, all_threads = own_work(of, x, folder)
    print(
        f"its own work for {n} records: {mine:.2f} s in the thread that explains, "
        f"{mine / each:.1%} of what explaining takes, {all_threads:.2f} s and "
        f"{all_threads / each:.1%} with those beside it"
    )
    for keep in (Keep(dtype="float16"), Keep(top=8), Keep(top=8, dtype="float16")):
        found = explain_dataset(of, few, folder / f"{keep}.zarr", batch_size=BATCH, keep=keep)
        print(f"{keep}: {found.nbytes / len(few):.0f} bytes a record")


def memory(n, folder):
    """The peak as a stream of records goes on: after a tenth of them, a half, and all."""
    peaks = {}

    def stream():
        for i in range(0, n, BATCH):
            peaks[i] = peak()
            yield records(BATCH)

    explain_dataset(Saliency(method().model), stream(), folder / "stream.zarr", shard=10 * BATCH)
    tenth, half = (peaks[n // part // BATCH * BATCH] for part in (10, 2))
    print(
        f"memory {tenth:.0f} MiB after {n // 10} records, {half:.0f} after {n // 2}, "
        f"{peak():.0f} after {n}"
    )


def actors(n_records, rounds, folder):
    """Two actors beside one, one thread each, in turns; the actors' start is not counted."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="error")
    x = records(n_records)
    rates = {1: [], 2: []}
    for i in range(rounds):
        for n, found in rates.items():
            taken = []

            def stream(taken=taken):
                for k in range(0, len(x), BATCH // 10):
                    taken.append(time.perf_counter())
                    yield x[k : k + BATCH // 10]

            explain_dataset(heavy, stream(), folder / f"{i}-{n}.zarr", engine=RayEngine(actors=n))
            first = len(taken) // 2  # by then both have begun
            found.append((len(taken) - 1 - first) / (taken[-1] - taken[first]) * BATCH // 10)
    one, two = (float(np.median(r)) for r in rates.values())
    print(f"records/s once they are started: one actor {rates[1]}, two {rates[2]}")
    print(f"two actors are {two / one:.2f} times one")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--actors", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    try:
        if chosen.actors:
            actors(chosen.records // 10, chosen.rounds, folder)
        else:
            memory(chosen.records, folder)
            overhead(chosen.records, chosen.rounds, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
