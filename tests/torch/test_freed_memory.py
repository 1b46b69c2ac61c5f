"""What a pass frees is used by the next pass: its pages are not cleared anew."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from trulens_core import get_model_wrapper

torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):  # 4 activations of 12 MB, which are freed together
        held = [torch.ones(3 * 2**20) for _ in range(4)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
without = faults()
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
get_model_wrapper(torch.nn.Linear(2, 2))
more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held
faults()
print(without, faults(), more)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_pages_are_not_cleared_for_each_pass():
    command = (sys.executable, "-c", PROGRAM)
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    without, with_wrapper, kilobytes = map(int, found.split())
    assert without > 5_000, "else there is nothing to see"
    assert with_wrapper < 100
    assert kilobytes < 8_000, "the block itself takes no memory"
