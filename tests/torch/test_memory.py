"""Memory does not grow with the number of points."""

import subprocess
import sys

import pytest

# Each run is a process of its own, since the peak of a process never falls.
CODE = """
import resource, sys
import torch
from trulens_core import IntegratedGradients

cut, options = eval(sys.argv[1])
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(8),
    torch.nn.Flatten(), torch.nn.Linear(8 * 8 * 8, 10),
)
x = torch.rand(2, 3, 64, 64)
for resolution in (50, 1000):
    method = IntegratedGradients(model, 0.0, resolution, cut, rebatch_size=16, **options)
    method.attributions(x)
    method.explain(x)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peaks(cut, **options):
    """The peaks of a process with 50 points, and then with 1000."""
    command = [sys.executable, "-W", "ignore", "-c", CODE, repr((cut, options))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("cut", [None, "0"])
def test_the_peak_is_that_of_few_points(cut):
    """All points of these pictures at once would be 100 MB, and the first layer's 260 MB."""
    few, many = peaks(cut)
    assert many <= 1.05 * few


def test_the_measure_sees_what_is_kept():
    """The points, if they are asked for, are in the peak: the test above could fail."""
    few, many = peaks(None, return_doi=True)
    assert many > 1.2 * few
