"""The command `python -m trulens_core`: installed backends, results in files, runs."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence

from trulens_core._version import __version__
from trulens_core.errors import TrulensError, TrulensWarning
from trulens_core.plugins import BackendInfo, list_backends


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    The exit code is 1 where a backend is broken, two results differ, or records of a run failed,
    and 2 where a file cannot be read or a run cannot be done.
    """
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        return run(chosen)
    except (TrulensError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trulens_core", description="Explain deep networks."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command")
    backends = commands.add_parser(
        "backends", help="list the installed backends; the exit code is 1 if one is broken"
    )
    backends.add_argument("--json", action="store_true", help="print JSON instead of a table")
    backends.set_defaults(run=_backends)
    show = commands.add_parser("show", help="print what a saved result is and holds")
    show.add_argument("file", help="what save() wrote")
    show.add_argument("--records", type=int, default=8, help="how many records (default: 8)")
    show.set_defaults(run=_show)
    diff = commands.add_parser(
        "diff", help="compare two saved results; the exit code is 1 if they differ"
    )
    diff.add_argument("a", help="the result of before")
    diff.add_argument("b", help="the result of now")
    diff.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        help="how far a record may change, as a part of its largest number (default: 0)",
    )
    diff.set_defaults(run=_diff)
    run = commands.add_parser(
        "run",
        help="explain a data set as a TOML file says, or go on with it; what the file names is "
        "imported and called. The exit code is 1 if records failed",
    )
    run.add_argument("spec", help="the TOML file")
    run.add_argument("--rank", type=int, help="the number of this process, as torchrun's RANK")
    run.add_argument("--world-size", type=int, help="how many there are, as its WORLD_SIZE")
    run.add_argument("--progress", action="store_true", help="show how far it is")
    run.set_defaults(run=_run)
    return parser


def _backends(chosen: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrulensWarning)  # the table says what is broken
        found = list_backends()
    print(_as_json(found) if chosen.json else _as_table(found))
    return int(any(info.error is not None for info in found.values()))


def _show(chosen: argparse.Namespace) -> int:
    from trulens_core.results import AttributionResult
    from trulens_core.results.reading import load_result
    from trulens_core.results.terminal import lines

    found = load_result(chosen.file)
    own = isinstance(found, AttributionResult)
    print("\n".join(lines(found, chosen.records) if own else found.told(chosen.records)))
    return 0


def _diff(chosen: argparse.Namespace) -> int:
    from trulens_core.results import AttributionResult
    from trulens_core.results.differences import difference
    from trulens_core.results.reading import load_result

    a, b = map(load_result, (chosen.a, chosen.b))
    if type(a) is not type(b):
        print(f"a {type(a).__name__} and a {type(b).__name__} are not compared")
        return 1
    if not isinstance(a, AttributionResult):
        a, b = a.as_attributions(), b.as_attributions()
    found = difference(a, b, chosen.tolerance)
    print("\n".join(found.lines))
    return int(not found.same)


def _run(chosen: argparse.Namespace) -> int:
    from trulens_core.recipes.runs import run_spec

    given = {"rank": chosen.rank, "world_size": chosen.world_size}
    options = {k: v for k, v in given.items() if v is not None}
    run = run_spec(chosen.spec, **options, **({"progress": True} if chosen.progress else {}))
    print(run)
    for line in run.summary().lines():
        print(line)
    for failure in run.failures:
        print(f"record {failure.record} failed: {failure.why}")
    return int(bool(run.failures))


def _as_json(found: Mapping[str, BackendInfo]) -> str:
    rows = [
        {
            "name": info.name,
            "distribution": info.distribution,
            "version": info.version,
            "claims": info.serves,
            "error": None if info.error is None else repr(info.error),
        }
        for info in found.values()
    ]
    return json.dumps(rows, indent=2)


def _as_table(found: Mapping[str, BackendInfo]) -> str:
    if not found:
        return "no backend is installed; see the documentation for that of your framework"
    rows = [("backend", "distribution", "version", "claims", "state")]
    for info in found.values():
        state = "ok" if info.error is None else f"broken: {info.error!r}"
        distribution = info.distribution or "(registered)"
        rows.append((info.name, distribution, info.version or "", info.serves, state))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
