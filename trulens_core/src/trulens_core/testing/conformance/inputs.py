"""What the input cut holds, and in which structure, type and kind results come back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    CutError,
    DoiCutSupportError,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    NotDifferentiableError,
    PointDoi,
)
from trulens_core.testing.conformance.compare import shapes
from trulens_core.testing.conformance.harness import Harness

FLOATS = ["float16", "float32", "float64"]


class Inputs(Harness):
    """Arguments of every kind, and results that follow them."""

    law = "inputs and kinds of results"

    def _saliency(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return InputAttribution(self.wrapper(name), qoi=ClassQoI(1)).attributions(*args, **kwargs)

    # -- structure ---------------------------------------------------------------------------

    def test_the_structure_is_the_callers(self) -> None:
        """A list for several positional arguments, a dict for dicts and keywords."""
        (a, b), _ = self.records("two_inputs", 2)
        found = self._saliency("two_inputs", a, b)
        assert shapes(found) == [(2, 4), (2, 3)]
        by_name = self._saliency("two_inputs", b=b, a=a)
        assert sorted(by_name) == ["a", "b"]
        assert self.close(by_name, {"a": found[0], "b": found[1]})
        (batch,), _ = self.records("nested", 2)
        assert shapes(self._saliency("nested", batch)) == {"left": (2, 4), "right": (2, 3)}
        x = self.records("mlp", 2)[0][0]
        assert self._saliency("mlp", x).shape == x.shape

    def test_positional_arguments_come_first(self) -> None:
        """With positional tensors the keyword ones stay as they are, and are left out."""
        (a, b), _ = self.records("two_inputs", 2)
        found = self._saliency("two_inputs", a, b=b)
        assert self.close(found, self._saliency("two_inputs", a, b)[0])

    def test_arguments_by_name(self) -> None:
        """`InputCut(names=)` picks arguments, given by position or by keyword."""
        (a, b), _ = self.records("two_inputs", 2)

        def at(names: Any, *args: Any, **kwargs: Any) -> Any:
            cut = InputCut(names=names)
            method = InternalInfluence(
                self.wrapper("two_inputs"), cut, 1, LinearDoi(0.3, 2, cut=cut)
            )
            return method.attributions(*args, **kwargs)

        alone = at(["b"], a, b)
        assert shapes(alone) == (2, 3)
        assert self.close(at(["b"], a, b=b), {"b": alone})
        assert self.close(at(["b"], a=a, b=b), {"b": alone})
        both = at(["a", "b"], a, b)
        assert shapes(both) == [(2, 4), (2, 3)]
        assert not np.allclose(both[1], alone)  # a does not move in the one
        assert shapes(at(["b", "a"], a=a, b=b)) == {"a": (2, 4), "b": (2, 3)}
        with pytest.raises(CutError, match=r"(?s)'c'.*a.*b"):
            at(["c"], a, b)

    def test_an_accessor_of_the_input(self) -> None:
        (batch,), _ = self.records("nested", 2)
        cut = InputCut(accessor=lambda inputs: inputs.args[0]["right"])
        found = InternalInfluence(self.wrapper("nested"), cut, ClassQoI(1), "point").attributions(
            batch
        )
        assert self.close(found, {"right": self._saliency("nested", batch)["right"]})

    def test_a_mask_stays_as_it_is(self) -> None:
        """Keyword arguments beside integers are no variables, and are cut up with the records."""
        args, kwargs = self.records("text", 3)
        method = InternalInfluence(
            self.wrapper("text"),
            "embedding",
            "max",
            LinearDoi(0.1, 4, cut="embedding"),
            rebatch_size=2,
        )
        found = method.attributions(*args, **kwargs)
        assert found.shape == (3, 7, 6)
        hidden = kwargs["mask"] == 0
        assert hidden.any()
        assert not found[hidden].any()
        assert np.abs(found[~hidden]).min(axis=-1).max() > 0
        again = method.attributions(ids=args[0], **kwargs)
        assert self.close(again, found)

    def test_a_point_at_integers(self) -> None:
        """The one point of a PointDoi may be integers; a path or noise there is an error."""
        args, kwargs = self.records("text", 3)
        wrapper = self.wrapper("text")
        found = InternalInfluence(wrapper, "embedding", 1, PointDoi()).attributions(*args, **kwargs)
        expected = InternalInfluence(wrapper, "embedding", 1, PointDoi(cut="embedding"))
        assert self.close(found, expected.attributions(*args, **kwargs))
        for doi in ("linear", LinearDoi(cut=Cut("embedding", anchor="in"))):
            with pytest.raises((DoiCutSupportError, NotDifferentiableError), match=r"(?s)int.*cut"):
                InternalInfluence(wrapper, "embedding", 1, doi).attributions(*args, **kwargs)
        with pytest.raises(NotDifferentiableError, match="embedding"):
            IntegratedGradients(wrapper).attributions(*args, **kwargs)

    def test_an_argument_of_all_records_is_no_variable(self) -> None:
        (x, scale), _ = self.records("scaled", 3)
        assert self._saliency("scaled", x, scale).shape == (3, 5)
        wrapper = self.wrapper("scaled")
        with pytest.raises(CutError, match=r"(?s)5 rows.*batched="):
            InternalInfluence(wrapper, InputCut(names=["scale"]), 1, "point").attributions(x, scale)

    def test_what_has_no_row_per_record(self) -> None:
        """An argument said to have a row per record, whose value at the target then has not."""
        x = self.records("mlp", 3)[0][0]
        with pytest.raises((CutError, TypeError), match=r"batched|batch axis"):
            self.wrapped("mlp", batched={"x": False})(x)

    # -- kind and type -----------------------------------------------------------------------

    @pytest.mark.parametrize("dtype", FLOATS)
    @pytest.mark.parametrize("model", ["float32", "float64"])
    def test_the_type_is_the_callers(self, dtype: str, model: str) -> None:
        """Computed in the model's type; given back in that of the first floating input."""
        x = self.records("mlp", 2, dtype)[0][0]
        method = InputAttribution(self.wrapper("mlp", model), qoi=ClassQoI(1))
        found = method.attributions(x)
        assert isinstance(found, np.ndarray)
        assert found.dtype == dtype
        exact = method.attributions(x.astype("float64"))
        assert exact.dtype == "float64"
        narrow = min(model, dtype, key=lambda t: np.dtype(t).itemsize)
        assert self.repeated(found, exact.astype(dtype), dtype=narrow)
        explained = method.explain(x)
        assert explained.quantity.dtype == dtype

    def test_the_first_floating_input_decides(self) -> None:
        """Integers before it do not."""
        args, kwargs = self.records("text", 2, "float32")
        for model in ("float32", "float64"):
            method = InternalInfluence(self.wrapper("text", model), "embedding", 1, "point")
            assert method.attributions(*args, **kwargs).dtype == "float32"

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_tensors_give_tensors(self, dtype: str) -> None:
        """Of the caller's type, outside of any computation; the first tensor decides."""
        (a, b), _ = self.records("two_inputs", 2, dtype)
        method = IntegratedGradients(self.wrapper("two_inputs"), resolution=3, qoi=ClassQoI(1))
        expected = method.attributions(a, b)
        given = self.tensor(a), self.tensor(b)
        found = method.attributions(*given)
        assert all(self.backend.is_tensor(t) for t in found)
        assert all(t.dtype == given[0].dtype for t in found)
        assert self.close(found, expected, 1e-12)
        assert all(map(self.backend.is_tensor, method.attributions(self.tensor(a), b)))
        assert all(isinstance(t, np.ndarray) for t in method.attributions(a, self.tensor(b)))
        result = method.explain(*given)
        assert all(map(self.backend.is_tensor, (result.quantity, result.residual)))
        assert isinstance(result.n_points, np.ndarray)
        assert self.backend.is_tensor(self.wrapper("two_inputs")(*given))

    @pytest.mark.parametrize(
        "given",
        [
            np.asfortranarray,
            lambda x: np.repeat(x, 2, axis=1)[:, ::2],
            lambda x: np.ascontiguousarray(x[::-1])[::-1],
            lambda x: x.astype(">f8"),
            lambda x: np.broadcast_to(x, x.shape),
            lambda x: x.view(type("Sub", (np.ndarray,), {})),
        ],
        ids=["fortran", "strided", "reversed", "big-endian", "read-only", "subclass"],
    )
    def test_arrays_of_any_layout(self, given: Any) -> None:
        x = self.records("mlp", 3)[0][0]
        found = self._saliency("mlp", given(x))
        assert self.close(found, self._saliency("mlp", x))
        assert found.flags.writeable

    def test_inputs_and_results_share_no_memory(self) -> None:
        """Nothing writes into the caller's arrays, nor into what was given back."""
        x = self.records("mlp", 3)[0][0]
        kept, wrapper = x.copy(), self.wrapper("linear")
        outputs = [wrapper(x), wrapper.fprop(x, to_cut=InputCut()), self._saliency("linear", x)]
        copies = [o.copy() for o in outputs]
        for o in outputs:
            np.add(o, 1.0, out=o)
        assert (x == kept).all()
        again = [wrapper(x), wrapper.fprop(x, to_cut=InputCut()), self._saliency("linear", x)]
        assert self.repeated(again, copies, "the same calls again")

    # -- what cannot be explained ------------------------------------------------------------

    def test_inputs_that_are_none(self) -> None:
        method = InputAttribution(self.wrapper("mlp"))
        with pytest.raises(ValueError, match="0 records"):
            method.attributions(np.zeros((0, 5)))
        nothing: tuple[tuple[Any, ...], ...] = ((), ("text",), ([],), (3.0,), (None,))
        for wrong in nothing:
            with pytest.raises(TypeError, match="no array or tensor"):
                method.attributions(*wrong)
        with pytest.raises(TypeError, match="no array or tensor"):
            method.attributions(np.float64(1.0))

    @pytest.mark.parametrize("wrong", [np.asarray([["a", "b"]]), np.asarray([[None]])], ids=str)
    def test_types_without_tensors(self, wrong: Any) -> None:
        """Nor are there gradients at strings, where a framework has tensors of them."""
        named = rf"input 0 has dtype {re.escape(str(wrong.dtype))}|no gradient at .* strings"
        with pytest.raises((TypeError, NotDifferentiableError), match=named):
            InputAttribution(self.wrapper("mlp")).attributions(wrong)

    def test_tensors_of_another_framework(self) -> None:
        class Tensor:
            shape, dtype = (2, 5), "float32"

        for call in (InputAttribution(self.wrapper("mlp")).attributions, self.wrapper("mlp")):
            with pytest.raises(TypeError, match=rf"input 0 is a .*Tensor.*{self.backend.name}"):
                call(Tensor())

    def test_one_call_as_an_object(self) -> None:
        """`ModelInputs` says what has a row per record; what it says is not forgotten."""
        (x, scale), _ = self.records("scaled", 5)
        inputs = ModelInputs([x, scale], batched={"scale": False})
        wrapper = self.wrapped("scaled")
        assert InputAttribution(wrapper).attributions(inputs).shape == x.shape
        assert wrapper(inputs).shape == (5, 3)
        assert self.close(wrapper(inputs), self.wrapper("scaled")(x, scale))
