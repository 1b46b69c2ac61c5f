"""What a pass frees is used by the next pass: the system does not take it back each time."""

import ctypes
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
import torch
from trulens_core import get_model_wrapper

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]

class Info(ctypes.Structure):
    _fields_ = [(f"f{i}", ctypes.c_size_t) for i in range(10)]

libc.mallinfo2.restype = Info

def mapped():  # whether a block of 31 MiB, which stays, is one of the system's by itself
    before = libc.mallinfo2().f4
    assert libc.malloc(31 * 2**20)
    return int(libc.mallinfo2().f4 > before)

without = mapped()
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
get_model_wrapper(torch.nn.Linear(2, 2))
print(without, mapped(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="of the allocator of glibc from 2.33",
)
def test_large_blocks_stay_with_the_process():
    command = (sys.executable, "-c", PROGRAM)
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    without, with_wrapper, kilobytes = map(int, found.split())
    assert without, "else there is nothing to see"
    assert not with_wrapper
    assert kilobytes < 8_000, "the block itself takes no memory"
