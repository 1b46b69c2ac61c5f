"""The mistakes of a backend's author, each answered by a sentence that says what to do."""

import pytest

from trulens_core import BackendError, InternalInfluence
from trulens_core.passes import Pass
from trulens_core.testing import small_model
from trulens_core.testing.reference import ReferenceWrapper


class NeverEnters(ReferenceWrapper):
    def forward(self, inputs, *, replace, tap, want):
        p = Pass(self, replace=replace, tap=tap, want=want)
        return p.leave(self.model(*inputs.args, **inputs.kwargs))


class NeverLeaves(ReferenceWrapper):
    def forward(self, inputs, *, replace, tap, want):
        p = Pass(self, replace=replace, tap=tap, want=want)
        inputs = p.enter(inputs)
        return self.model(*inputs.args, **inputs.kwargs)


class LeavesWithTensors(ReferenceWrapper):
    def forward(self, inputs, *, replace, tap, want):
        return [
            v
            for values in super().forward(inputs, replace=replace, tap=tap, want=want)
            for v in values
        ]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (NeverEnters, r"forward of NeverEnters ends a pass that it did not begin.*p\.enter"),
        (NeverLeaves, r"forward of NeverLeaves returned .*, and not the values at 1 cut.*p\.leave"),
        (LeavesWithTensors, r"forward of LeavesWithTensors returned list.*p\.leave"),
    ],
)
@pytest.mark.parametrize("asked", ["values", "gradients"])
def test_a_pass_that_is_not_begun_or_not_ended(kind, said, asked):
    model, x = small_model()
    wrapper = kind(model)
    method = InternalInfluence(wrapper, "hidden", 1, "point")
    with pytest.raises(BackendError, match=said):
        wrapper.fprop(x, to_cut="hidden") if asked == "values" else method.attributions(x)
