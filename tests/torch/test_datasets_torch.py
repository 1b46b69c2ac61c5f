"""Runs over data sets as PyTorch's users start them: loaders with workers, and torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from trulens_core import IntegratedGradients, explain_dataset, open_run

N, SIZE = 40, 8
R = np.random.default_rng(0)
X = R.normal(size=(N, 4)).astype("float32")
Y = np.arange(N) % 3


class Pairs(Dataset):
    def __len__(self):
        return N

    def __getitem__(self, i):
        return X[i], int(Y[i])


def method():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    return IntegratedGradients(model, qoi="predicted", resolution=32)


OPTIONS = {"inputs": lambda b: b[0], "y": lambda b: b[1]}


WORKERS = """
import sys
sys.path.insert(0, {folder!r})
from test_datasets_torch import OPTIONS, SIZE, Pairs, method
from torch.utils.data import DataLoader
from trulens_core import explain_dataset

data = DataLoader(Pairs(), batch_size=SIZE, num_workers=2)
explain_dataset(method(), data, sys.argv[1], **OPTIONS)
"""


def test_workers_of_a_data_loader(tmp_path):
    """Which are processes of their own, started by the thread that reads ahead.

    In a process without the threads of other frameworks, beside which none may be forked.
    """
    script, out = tmp_path / "script.py", tmp_path / "beside.zarr"
    script.write_text(WORKERS.format(folder=str(Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, str(script), str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    data = DataLoader(Pairs(), batch_size=SIZE)
    plain = explain_dataset(method(), data, tmp_path / "plain.zarr", **OPTIONS)[:]
    beside = open_run(out)[:]
    assert np.array_equal(beside.attributions, plain.attributions)
    assert np.array_equal(beside.target, Y)


SCRIPT = """
import os, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {folder!r})
from test_datasets_torch import OPTIONS, SIZE, Pairs, method
from torch.utils.data import DataLoader
from trulens_core import explain_dataset

explain_dataset(
    method(),
    DataLoader(Pairs(), batch_size=SIZE),
    sys.argv[1],
    shard=SIZE,
    rank=int(os.environ["RANK"]),
    world_size=int(os.environ["WORLD_SIZE"]),
    **OPTIONS,
)
"""


@pytest.mark.skipif(
    not os.environ.get("TRULENS_EVERY"), reason="its processes take 20 s to start: in make test-all"
)
def test_torchrun(tmp_path):
    """Two processes write one store; each record once, and the numbers of one process."""
    script, out = tmp_path / "script.py", tmp_path / "run.zarr"
    script.write_text(SCRIPT.format(folder=str(Path(__file__).parent)))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    done = subprocess.run(
        [*command, str(script), str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    run = open_run(out)
    assert run.complete
    data = DataLoader(Pairs(), batch_size=SIZE)
    whole = explain_dataset(method(), data, tmp_path / "whole.zarr", **OPTIONS)
    assert np.array_equal(run[:].attributions, whole[:].attributions)
    lines = [p.read_text().count('"shard"') for p in sorted((out / "manifest").glob("*.jsonl"))]
    assert sorted(lines) == [2, 3]
