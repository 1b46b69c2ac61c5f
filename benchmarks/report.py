"""Run every benchmark and write what came out to docs/performance.md.

    python benchmarks/report.py [FILE]

The page's words stand in benchmarks/performance.md.in; the tables take the place of {tables}. The
exit code is 1 where a figure is over its limit.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import measure

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
PACKAGES = ("numpy", "torch", "captum", "shap", "tensorflow", "keras", "jax")
TABLES = {
    "PyTorch: beside loops written by hand and Captum": "torch_speed.py",
    "PyTorch with small tensors: beside loops written by hand and Captum": "torch_short.py",
    "Without gradients: beside loops written by hand, Captum and shap": "torch_masks.py",
    "Keras on TensorFlow: beside a traced loop written by hand, and Xplique": "keras_ig.py",
    "Keras on TensorFlow: whole calls where kernels are short": "tf_calls.py",
    "JAX: beside a jitted loop written by hand": "jax_cost.py",
    "JAX: whole calls where kernels are short": "jax_calls.py",
    "JAX without gradients: beside jitted loops written by hand": "jax_masks.py",
}
TEXTS = {
    "Where the time of a small call goes": "torch_overhead.py",
    "Function calls of Python": "calls.py",
    "Attribution to a stated error": "torch_tolerance.py",
    "Import": "import_time.py",
}
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


def rows_of(script, python=sys.executable):
    """The rows that a script measures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        good = run(script, "--json", str(file), python=python)[1]
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
    return (
        f"{datetime.datetime.now(tz=datetime.UTC):%d %B %Y}; {model}, {os.cpu_count()} cores, "
        f"{memory:.0f} GiB; Python {platform.python_version()}, {versions}."
    )


def main(page):
    good, parts = True, []
    for title, script in TABLES.items():
        rows, well = rows_of(script)
        good &= well
        if script == "keras_ig.py":
            more, well = rows_of(script, str(XPLIQUE))
            rows, good = [*rows, *more], good and well
        parts.append(f"## {title}\n\n{table(rows)}")
    for title, script in TEXTS.items():
        text, well = run(script)
        good &= well
        parts.append(f"## {title}\n\n```text\n{text}\n```")
    words = (HERE / "performance.md.in").read_text()
    tables = "\n\n".join(parts)
    page.write_text(words.replace("{machine}", machine()).replace("{tables}", tables))
    print(f"\nwritten to {page}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE))
