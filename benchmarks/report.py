"""Run benchmarks and write what came out to docs/performance.md.

    python benchmarks/report.py [SCRIPT ...] [--turns N]

Without a name all of them. The page's words stand in the page; what a script measures, in the place
between <!-- script.py --> and <!-- end -->, with the day and the machine. The exit code is 1 where
a figure is over its limit.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import measure

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
PACKAGES = ("numpy", "torch", "captum", "shap", "tensorflow", "keras", "jax")
PLACE = re.compile(r"<!-- (\w+\.py) -->\n.*?<!-- end -->", re.DOTALL)
XPLIQUE = HERE.parent / ".venv-xplique" / "bin" / "python"


def run(script, *options, python=sys.executable):
    """The lines that a script prints, which are shown while it runs, and whether all is well."""
    print(f"\n== {script}", flush=True)
    lines = []
    with subprocess.Popen(
        [python, str(HERE / script), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    return "\n".join(lines).strip(), process.returncode == 0


def measured(script, options):
    """What a script measures, as Markdown, and whether all is well."""
    if "measure.main(" not in (HERE / script).read_text():
        text, good = run(script)
        return f"```text\n{text}\n```", good
    rows, good = rows_of(script, options)
    if script == "keras_ig.py":
        more, well = rows_of(script, options, str(XPLIQUE))
        rows, good = [*rows, *more], good and well
    return table(rows), good


def rows_of(script, options, python=sys.executable):
    """The rows of a script that compares times."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        good = run(script, "--json", str(file), *options, python=python)[1]
        rows = [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []
    return rows, good


def table(rows):
    """The rows as Markdown."""
    lines = [
        "| case | ours, ms | beside | ratio of the times | limit | peak of memory, MB |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        limit = "" if row["limit"] is None else f"{row['limit']:.2f}"
        memory = ""
        if row["memory"] is not None and row["their memory"] is not None:
            memory = f"{row['memory']:.1f} beside {row['their memory']:.1f}"
        notes = "".join(f"; {k} {v:.3g}" for k, v in row["notes"].items())
        lines.append(
            f"| {row['case']}{notes} | {1e3 * row['ours']:.2f} | {row['other']} | "
            f"{row['ratio']:.2f} ± {row['deviation']:.2f} | "
            f"{limit + (' **over**' if measure.missed(row) else '')} | {memory} |"
        )
    return "\n".join(lines)


def machine():
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    today = datetime.datetime.now(tz=datetime.UTC)
    return (
        f"Measured on {today:%d %B %Y}; {model}, {os.cpu_count()} cores, "
        f"{memory:.0f} GiB; Python {platform.python_version()}, {versions}."
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT")
    parser.add_argument("--turns", type=int)
    asked = parser.parse_args()
    page = PAGE.read_text()
    places = PLACE.findall(page)
    if unknown := set(asked.scripts) - set(places):
        parser.error(f"{PAGE.name} has no place for {', '.join(sorted(unknown))}")
    good = True
    for script in asked.scripts or places:
        found, well = measured(script, ["--turns", str(asked.turns)] if asked.turns else [])
        good &= well
        place = rf"<!-- {re.escape(script)} -->\n.*?<!-- end -->"
        new = f"<!-- {script} -->\n{found}\n\n{machine()}\n<!-- end -->"
        page = re.sub(place, lambda _, new=new: new, page, flags=re.DOTALL)
        PAGE.write_text(page)  # each as it is there: all of them take an hour
    print(f"\nwritten to {PAGE}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
