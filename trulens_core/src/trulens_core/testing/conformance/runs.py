"""Explanations of whole data sets: a run over batches gives what one call gives."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from trulens_core import ClassQoI, IntegratedGradients, explain_dataset
from trulens_core.testing.conformance.harness import Harness, checks

RECORDS, BATCH = 6, 3
CLASSES = np.array([0, 2, 1, 1, 0, 2])


class Runs(Harness):
    """Records in batches, in a store (extra `data`)."""

    law = "runs"

    @checks("batch independence")
    def test_a_run_is_one_call(self, tmp_path: Path) -> None:
        """Of arrays and of the framework's own tensors, by one process and by two ranks."""
        (x,), _ = self.records("mlp", RECORDS)
        method = IntegratedGradients(self.wrapper("mlp"), qoi=ClassQoI(CLASSES), resolution=4)
        if find_spec("zarr") is None:
            with pytest.raises(ImportError, match=r"zarr.*\[data\]"):
                explain_dataset(method, x, tmp_path / "run.zarr")
            return
        expected = method.explain(x)
        pairs = [(x[i : i + BATCH], CLASSES[i : i + BATCH]) for i in range(0, RECORDS, BATCH)]
        kinds = {"tensors": True, "arrays": False}
        if self.backend.static_shapes:  # each kind is programs to compile
            del kinds["arrays"]
        for name, own in kinds.items():
            data = [(self.tensor(x) if own else x, y) for x, y in pairs]
            for rank in (0, 1):
                run = explain_dataset(
                    method,
                    data,
                    tmp_path / name,
                    inputs=lambda batch: batch[0],
                    y=lambda batch: batch[1],
                    shard=2,
                    rank=rank,
                    world_size=2,
                )
            assert run.complete
            assert len(run) == RECORDS
            found = run[:]
            for field in ("attributions", "quantity", "baseline_quantity"):
                assert self.close(getattr(found, field), getattr(expected, field), what=field)
            assert np.array_equal(found.target, CLASSES)
            assert np.abs(found.residual - expected.residual).max() < 1e-10
