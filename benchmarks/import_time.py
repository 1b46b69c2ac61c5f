"""The time that `import trulens_core` adds to importing what it requires.

Each run is a new process, which imports numpy, pluggy and optree, then trulens_core, and
reports both times: the two stand side by side, so that a busy machine slows both.
Exit code 1 if the median of the added time is over the limit.
"""

import os
import statistics
import subprocess
import sys
import tempfile

RUNS = 15
LIMIT = 0.08  # seconds

CODE = """
from time import perf_counter
start = perf_counter()
import numpy, pluggy, optree
between = perf_counter()
import trulens_core
print(between - start, perf_counter() - between)
"""


def one_run(env):
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True
    )
    required, added = map(float, done.stdout.split())
    return required, added


def main():
    with tempfile.TemporaryDirectory() as cache:
        # Byte code is compiled once, in the first run, which does not count.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        one_run(env)
        runs = [one_run(env) for _ in range(RUNS)]
    required, added = map(statistics.median, zip(*runs, strict=True))
    print(f"numpy, pluggy, optree  {required:.3f} s")
    print(f"trulens_core adds      {added:.3f} s  (limit {LIMIT} s, median of {RUNS} runs)")
    print(f"ratio                  {added / required:.2f}")
    return added > LIMIT


if __name__ == "__main__":
    sys.exit(main())
