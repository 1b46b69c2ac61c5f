"""Defects of code of the caller's, weights and arguments."""

import runpy
from pathlib import Path

from trulens_core.testing import ReferenceModel

BASE = runpy.run_path(str(Path(__file__).with_name("defects.py")))
Defect, neglects = BASE["Defect"], BASE["neglects"]
DEFECTS = BASE["DEFECTS"]


@neglects(
    "caller's code not kept",
    "test_what_a_quantity_reads_elsewhere[closure]",
    r"class 2, by closure: relative error",
)
class KeptByCode(Defect):
    """What was computed with a function is kept by its code."""

    class Wrapper:
        def over_blocks(self, inputs, **asked):
            code = getattr(getattr(asked["qoi"], "function", None), "__code__", None)
            first = vars(self).setdefault("by_code", {})
            over = super().over_blocks(inputs, **asked)
            return over if code is None else lambda b: first.setdefault(code, over(b))

        def runs_whole(self):
            return False  # so that all calls come by here


@neglects(
    "weights read at every call",
    "test_weights_are_read_at_every_call",
    r"gradients after the weights changed: relative error",
)
class WeightsOfBefore(Defect):
    """The model is explained with the weights that it had when it was wrapped."""

    class Wrapper:
        def __init__(self, model, **options):
            super().__init__(model, **options)
            reference = isinstance(model, ReferenceModel)
            held = model.weights if reference else model.state_dict()
            copy = (lambda w: w.copy()) if reference else (lambda w: w.clone())
            self.kept_weights = {n: copy(w) for n, w in held.items()}

        def forward(self, inputs, **asked):
            if isinstance(self.model, ReferenceModel):
                for n, w in self.kept_weights.items():
                    self.model.weights[n][...] = w
            else:
                for n, w in self.model.state_dict().items():
                    w.data.copy_(self.kept_weights[n])
            return super().forward(inputs, **asked)


@neglects(
    "arguments of every call",
    "test_a_mask_stays_as_it_is",
    r"assert not np\.True_|rows see one another",
)
class KeywordsKept(Defect):
    """Keyword arguments of a shape are those that came first."""

    class Wrapper:
        def forward(self, inputs, **asked):
            first = vars(self).setdefault("first_keywords", {})
            places, values = [], []
            for i, leaf in enumerate(inputs.leaves):
                if isinstance(leaf.name, str) and self.backend.is_tensor(leaf.value):
                    places.append(i)
                    key = leaf.name, tuple(leaf.value.shape)
                    values.append(first.setdefault(key, leaf.value))
            return super().forward(
                inputs.with_values(places, values) if places else inputs, **asked
            )


@neglects(
    "both sides of a layer",
    "test_values_at_two_cuts",
    r"both sides of a layer, seen in one pass: relative error",
)
class SidesShared(Defect):
    """Where both sides of a layer are looked at in one pass, they have one place."""

    class Wrapper:
        def forward(self, inputs, *, replace, tap, want):
            found = super().forward(inputs, replace=replace, tap=tap, want=want)
            pairs = list(zip(want, found, strict=True))
            out = {c.name: v for c, v in pairs if c.anchor == "out"}
            return [out.get(c.name, v) if c.anchor == "in" else v for c, v in pairs]
