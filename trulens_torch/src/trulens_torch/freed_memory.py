"""Memory that a pass frees stays with the process for the next one."""

from __future__ import annotations

import numpy as np

_LARGEST = 2**25 - 2**13
"""Bytes of the largest block that glibc's allocator takes as a measure, less its own."""


def keep_freed_memory() -> None:
    """Let what passes free be used again, not given back to the system after each.

    glibc gives memory back where more is free at the end of its heap than twice the largest block
    freed so far, up to 32 MiB. In a process without such a block each pass of a convolutional
    network has its pages cleared by the system anew, which takes as long as the pass itself. A
    block of that size that is freed, and never written, takes no memory and raises the bounds, as
    any large array of the caller's would. Other allocators do with it what they do with any array.
    """
    np.empty(_LARGEST, np.uint8)
