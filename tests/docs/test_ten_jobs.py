"""The ten jobs that people come for: each from the page in eight lines. The page itself is run."""

import re
import runpy
from pathlib import Path

examples = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "hooks" / "examples.py"))
PAGE = examples["DOCS"] / "how-to" / "ten-jobs.md"
MOST = 8


def lines_of(job):
    """The lines of code of a section, imports among them."""
    blocks = [block[2] for block in examples["BLOCK"].finditer(job)]
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_each_job_takes_eight_lines():
    jobs = re.split(r"(?m)^## (?=\d+\. )", PAGE.read_text())[1:]
    assert [int(job.partition(".")[0]) for job in jobs] == list(range(1, 11))
    for job in jobs:
        assert 0 < len(lines_of(job)) <= MOST, job.splitlines()[0]


def test_what_the_jobs_write(tmp_path, monkeypatch):
    """Pictures, pages and files are there, and none is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    examples["run"](PAGE, print=lambda *_: None)
    found = {path.name: path.stat().st_size for path in tmp_path.iterdir() if path.is_file()}
    wanted = set(re.findall(r'"([\w-]+\.(?:png|html|safetensors))"', PAGE.read_text()))
    assert wanted == found.keys()
    assert min(found.values()) > 1000
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run.zarr"]
