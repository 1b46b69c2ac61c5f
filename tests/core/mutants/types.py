"""Defects of types and devices."""

import runpy
from pathlib import Path

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects = BASE["Defect"], BASE["neglects"]
DEFECTS = BASE["DEFECTS"]


@neglects(
    "dtype kept",
    "test_arrays_and_tensors[float32]",
    r"float32 made a tensor, and that an array, is float64",
)
class DtypeWidened(Defect):
    """Tensors are of float64 whatever the arrays are."""

    class Backend:
        def from_numpy(self, a, like=None):
            return super().from_numpy(a.astype("float64") if a.dtype.kind == "f" else a, like)


@neglects(
    "dtype kept",
    "test_parts_of_other_types",
    r"a value of float64 in a model with a part of float32|do not mix|same dtype",
)
class NarrowestType(Defect):
    """Inputs are cast to the narrowest type that any weight of the model has."""

    class Wrapper:
        def adopt(self, value, declared=None):
            x = super().adopt(value, declared)
            sizes = [self.backend.to_numpy(w).dtype.itemsize for w in self.floating_weights()]
            narrow = min(sizes, default=8) < 8 and self.backend.is_floating(x)
            xp = self.backend.xp
            return xp.astype(xp.astype(x, xp.float32), x.dtype) if narrow else x


@neglects("float64 sums", "test_types_for_sums", r"float64 made ready for sums is less exact")
class SumsNarrow(Defect):
    """Gradients are added up in float32, whatever the model is."""

    class Backend:
        def accumulator(self, x):
            wide = super().accumulator(x)
            return self.xp.astype(self.xp.astype(wide, self.xp.float32), wide.dtype)


@neglects("float64 sums", "test_gradients_at_a_call", r"relative error .*e-0[5-9], allowed 1e-10")
class LessExact(Defect):
    """Everything through float32."""

    class Backend:
        def from_numpy(self, a, like=None):
            narrow = a.astype("float32").astype(a.dtype) if a.dtype.kind == "f" else a
            return super().from_numpy(narrow, like)


@neglects("device kept", "test_devices_are_kept", r"a tensor on cpu in the place of meta", "torch")
class DeviceIgnored(Defect):
    """Arrays become tensors where the framework puts them. The reference has one device."""

    class Backend:
        def from_numpy(self, a, like=None):
            x = super().from_numpy(a)
            return x.to(like.dtype) if like is not None and x.is_floating_point() else x
