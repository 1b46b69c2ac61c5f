"""Backends with one defect at a time: the same one on the reference and on PyTorch.

The duty "every operation reaches the rules" comes with rules.
"""

import runpy
from pathlib import Path

HERE = Path(__file__).parent
Defect = runpy.run_path(str(HERE / "defects.py"))["Defect"]
ROOMS = ("state", "passes", "rows", "types", "gradients", "callers", "masks")
DEFECTS = {}
for _room in ROOMS:
    DEFECTS |= runpy.run_path(str(HERE / f"{_room}.py"))["DEFECTS"]
