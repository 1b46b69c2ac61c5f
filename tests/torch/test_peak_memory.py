"""Peak memory does not grow with the number of points."""

import subprocess
import sys

PROGRAM = """
import resource, sys
import torch
from torch import nn
from trulens_core import IntegratedGradients

torch.set_num_threads(1)
model = nn.Sequential(
    nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(),
    nn.Linear(16 * 28 * 28, 10),
)
method = IntegratedGradients(model, resolution=int(sys.argv[1]), rebatch_size=20)
method.explain(torch.rand(2, 3, 32, 32))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(resolution):
    command = (sys.executable, "-c", PROGRAM, str(resolution))
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_thousand_points_take_the_memory_of_fifty():
    # 1000 points of these records alone are 24 MB, their activations over a gigabyte
    few, many = peak(50), peak(1000)
    assert abs(many - few) <= 0.05 * few, f"{few} kB with 50 points, {many} kB with 1000"
