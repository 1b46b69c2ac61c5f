"""The command `python -m trulens_core backends`: what is installed, and what is broken and why."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Mapping, Sequence

from trulens_core._version import __version__
from trulens_core.errors import TrulensWarning
from trulens_core.plugins import BackendInfo, list_backends


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 where a backend is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m trulens_core", description="Explain deep networks."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    backends = commands.add_parser(
        "backends", help="list the installed backends; the exit code is 1 if one is broken"
    )
    backends.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrulensWarning)  # the table says what is broken
        found = list_backends()
    print(_as_json(found) if chosen.json else _as_table(found))
    return int(any(info.error is not None for info in found.values()))


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
