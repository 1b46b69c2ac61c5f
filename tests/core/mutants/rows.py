"""Defects of rows, points and records."""

import runpy
from pathlib import Path

import numpy as np

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects = BASE["Defect"], BASE["neglects"]
DEFECTS = BASE["DEFECTS"]


def in_turn(x, k, backend):
    """Copies of each row, one beside the other."""
    return backend.from_numpy(np.repeat(backend.to_numpy(x), k, axis=0))


@neglects(
    "rows point by point",
    "test_rows_and_points",
    r"copies of all rows, point by point: relative error",
)
class RecordByRecord(Defect):
    """Rows are laid out record by record."""

    class Backend:
        def repeat(self, x, k):
            return in_turn(x, k, self)


@neglects(
    "repeat order of per-record data",
    "test_data_of_records_survive_rebatching[40]",
    r"a result: relative error|the model's rows see one another",  # as core itself may find
)
class PerRecordInTurn(Defect):
    """What has one number per record is repeated in another order than rows."""

    class Backend:
        def repeat(self, x, k):
            return in_turn(x, k, self) if len(x.shape) == 1 else super().repeat(x, k)


@neglects(
    "per-record arrays of a quantity",
    "test_data_of_records_survive_rebatching[40]",
    r"a result: relative error",
)
class PerRecordFirst(Defect):
    """All records of a block get the data of the first."""

    class Backend:
        def repeat(self, x, k):
            alone = len(x.shape) == 1
            return super().repeat(x[:1], k * int(x.shape[0])) if alone else super().repeat(x, k)


@neglects(
    "shared inputs not repeated", "test_an_argument_of_all_records[5]", r"shape|broadcast|size"
)
class SharedRepeated(Defect):
    """That an argument belongs to all records is not passed on, so it is repeated with them."""

    class Wrapper:
        def __init__(self, model, *, batched=None, **options):
            super().__init__(model, **options)


@neglects(
    "weights of points",
    "test_weights_of_points",
    r"a sum over points, with their weights: relative error",
)
class WeightsIgnored(Defect):
    """Points all weigh the same."""

    class Backend:
        def weighted_sum(self, x, weights):
            mean = float(self.to_numpy(weights).mean())
            return super().weighted_sum(x, self.xp.full_like(weights, mean))


@neglects(
    "seeds equal to other backends'",
    "test_noise_is_that_of_every_backend",
    r"noise of seed 5: relative error",
)
class OwnNoise(Defect):
    """Noise is drawn by a generator of the backend's own."""

    class Backend:
        def from_numpy(self, a, like=None):
            if like is not None and a.ndim > 1 and a.shape[1] == 1:
                a = np.random.default_rng(0).standard_normal(a.shape)
            return super().from_numpy(a, like)
