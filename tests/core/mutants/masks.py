"""Defects of masks: what is kept of a record, and what takes the place of the rest."""

import runpy
from pathlib import Path

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects = BASE["Defect"], BASE["neglects"]
DEFECTS = BASE["DEFECTS"]


def masked(backend, function, change):
    """`backend.pure(function)`, with its arguments changed where it applies a mask."""
    applied = backend(function)
    if function.__name__ not in ("_kept", "_blended", "_each_kept", "_each_blended"):
        return applied
    return lambda *given: applied(*change(*given))


@neglects(
    "masks applied to the right segment",
    "test_shapley_values_are_those_of_the_definition",
    r"a result: relative error",
)
class SegmentsTurned(Defect):
    """Each segment is kept and removed by the mask of the one before it."""

    class Backend:
        def pure(self, function):
            def turned(z, base, m, *at):
                values = self.to_numpy(m)
                rolled = values[:, [*range(1, values.shape[1]), 0]]
                return z, base, self.from_numpy(rolled, like=m), *at

            return masked(super().pure, function, turned)


@neglects(
    "masks applied to the right segment",
    "test_points_are_the_value_or_the_baseline_to_the_bit",
    r"Arrays are not equal",
)
class KeptIsRemoved(Defect):
    """What a mask keeps is removed, and what it removes is kept."""

    class Backend:
        def pure(self, function):
            def exchanged(z, base, m, *at):
                return z, base, self.from_numpy(~self.to_numpy(m), like=m), *at

            return masked(super().pure, function, exchanged)


@neglects(
    "masks applied to the right segment",
    "test_masks_do_not_depend_on_the_batch",
    r"a result: relative error",
)
class FirstSegmentsForAll(Defect):
    """All records of a block have the segments of the first."""

    class Backend:
        def pure(self, function):
            def first(z, base, m, *taken):
                if not taken:  # all records have the same
                    return z, base, m
                (at,) = taken
                rows = self.to_numpy(at)
                same = rows[:1].repeat(len(rows), axis=0)
                return z, base, m, self.from_numpy(same, like=at)

            return masked(super().pure, function, first)
