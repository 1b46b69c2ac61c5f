"""Random networks × random explanations against plain autograd: `make fuzz`.

    python tests/fuzz/fuzz.py --framework torch --cases 5000 --seed 0

A case is told by its seed alone: `--cases 1 --seed N --show` runs one and shows it.
"""

import argparse
import contextlib
import importlib
import os
import sys
import time
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
FRAMEWORKS = {
    "torch": ("on_torch", "Torch"),
    "jax": ("on_jax", "Jax"),
    "keras": ("on_keras", "Keras"),
}


def without_multiplier():
    from trulens_core.influence import record_group

    record_group.multiplied = lambda table, by, backend: table


def without_last_point():
    from trulens_core.distributions import quadrature

    own = quadrature.nodes
    quadrature.nodes = lambda rule, n: tuple(part[: max(1, n - 1)] for part in own(rule, n))


MUTANTS = {"multiplier": without_multiplier, "points": without_last_point}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--framework", choices=FRAMEWORKS, default="torch")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--show", action="store_true", help="show every case")
    parser.add_argument("--quiet", action="store_true", help="no shares, only what is wrong")
    parser.add_argument("--mutant", choices=MUTANTS, help="break the library, to see it found")
    given = parser.parse_args(argv)
    module, name = FRAMEWORKS[given.framework]
    framework = getattr(importlib.import_module(module), name)
    from cases import Tally

    if given.mutant:
        MUTANTS[given.mutant]()
    tally, start = Tally(), time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt):  # what is done until then is reported
        for seed in range(given.seed, given.seed + given.cases):
            tally.add(one(framework, seed, given))
    if not given.quiet:
        print(*tally.report(), sep="\n")
        print(f"{time.perf_counter() - start:.0f} s")
    print(f"{len(tally.wrong)} wrong of {len(tally.outcomes)}")
    return bool(tally.wrong)


def one(framework, seed, given):
    """The outcome of a case, told where it is wrong."""
    from cases import Case, Outcome

    try:
        case = Case(framework, seed)
        outcome = case.run()
    except Exception:  # noqa: BLE001 - a fault of the fuzzer's own must not end it
        return Outcome(seed, "not evaluated", wrong=told(given, seed, traceback.format_exc()))
    if given.show:
        show(case, outcome)
    if outcome.wrong:
        told(given, seed, f"{outcome.kind}\n{outcome.wrong}")
    return outcome


def told(given, seed, what):
    print(f"seed {seed}: {what}")
    print(
        f'  make fuzz FUZZ="--framework {given.framework} --cases 1 --seed {seed} --show"',
        flush=True,
    )
    return what


def show(case, outcome):
    print(f"--- seed {outcome.seed}: {outcome.kind}, error {outcome.error:.1e}")
    for a in case.network.arguments:
        print(f"  argument {a}")
    nodes(case.network.nodes, "  ")
    print(f"  gives {case.network.output} of {case.network.gives}; {case.n} records")
    asked = case.asked
    if asked is not None:
        print(f"  from {asked.sources} to {asked.target}, points at {asked.doi_sites}")
        print("  " + "; ".join(asked.options))
        if outcome.kind != "crashed":
            print(f"  {asked.make(case.wrapper()[0])!r}")
    print(f"  {outcome.refusal}")


def nodes(listed, indent):
    for n in listed:
        print(f"{indent}{n.name} = {n.kind}({', '.join(n.inputs)}) {n.sizes} layer={n.layer}")
        nodes(n.body, indent + "    ")


if __name__ == "__main__":
    sys.exit(main())
