"""Direct evaluations: outputs, scores, interventions and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    InputCut,
    InterventionError,
    ModelInputs,
    ModelWrapper,
    QoiError,
    get_backend,
    get_model_wrapper,
)
from trulens_core.testing.conformance.harness import Harness, needs
from trulens_core.testing.conformance.subjects import Product, Scaled, Several
from trulens_core.testing.zoo import ZOO


class Evaluation(Harness):
    """`wrapper(x)`, `logits`, `probits`, `layers`, `fprop` and `qoi_bprop`."""

    law = "evaluation"

    def test_the_output_is_the_models(self) -> None:
        """For all records, whatever their number."""
        wrapper = self.wrapper("mlp")
        w = ZOO["mlp"].weights()
        for n in (1, 7):
            (x,), _ = self.records("mlp", n)
            h = np.tanh(x @ w["hidden.weight"].T + w["hidden.bias"])
            h = np.tanh(h @ w["second.weight"].T + w["second.bias"])
            assert self.close(wrapper(x), h @ w["logits.weight"].T + w["logits.bias"])

    def test_scores_and_probabilities(self) -> None:
        (x,), _ = self.records("classifier", 4)
        wrapper = self.wrapper("classifier")
        scores = wrapper.fprop(x, to_cut="logits")
        assert self.close(wrapper.logits(x), scores)
        powers = np.exp(scores)
        probabilities = powers / powers.sum(1, keepdims=True)
        assert self.close(wrapper(x), probabilities)
        assert self.close(wrapper.probits(x), probabilities)
        (x,), _ = self.records("time_major", 2)
        wrapper = self.wrapper("time_major")  # no layer called logits: the output
        assert self.close(wrapper.logits(x), wrapper(x))

    def test_backends_are_told_from_wrappers_and_tensors(self) -> None:
        wrapper = self.wrapper("mlp")
        assert isinstance(wrapper, ModelWrapper)
        assert get_backend(wrapper) is wrapper.backend
        assert get_backend(self.tensor(np.zeros(2))) is wrapper.backend
        with pytest.raises(TypeError, match="no current backend"):
            get_backend()

    def test_layers_are_listed(self) -> None:
        """By the names that cuts take, and printed as a table."""
        wrapper = self.wrapper("cnn")
        names = [layer.name for layer in wrapper.layers()]
        assert [n for n in names if n in ZOO["cnn"].layers] == list(ZOO["cnn"].layers)
        text = repr(wrapper)
        assert all(name in text for name in names)
        assert wrapper.model is self.model("cnn")

    @needs("trained")
    def test_weights_are_read_at_every_call(self) -> None:
        """What training changes after a model was wrapped counts, by one wrapper and a new one."""
        (x,), _ = self.records("linear", 2)
        model = self.build(ZOO["linear"], "float64")
        wrapper = get_model_wrapper(model, backend=self.backend_name)
        before = wrapper.qoi_bprop(ClassQoI(1), x)
        self.trained(model, 3.0)
        again = get_model_wrapper(model, backend=self.backend_name)
        for found in (wrapper, again):
            gradients = found.qoi_bprop(ClassQoI(1), x)
            assert self.close(gradients, 3 * before, what="gradients after the weights changed")

    # -- interventions -----------------------------------------------------------------------

    def test_replaced_again(self) -> None:
        """What was put in at a cut before has no part in what is put in now."""
        (x,), w = self.records("mlp", 3)[0], ZOO["mlp"].weights()
        wrapper = self.wrapper("mlp")
        for which, scale in (("first", 0.5), ("second", -1.5)):
            values = np.full((3, 4), scale)
            found = wrapper.fprop(x, doi_cut="hidden", intervention=values, to_cut="second")
            expected = np.tanh(values) @ w["second.weight"].T + w["second.bias"]
            message = f"what follows the {which} value put in at {Cut('hidden')!r}"
            assert self.close(found, expected, what=message)

    def test_rows_of_an_intervention_are_point_by_point(self) -> None:
        """Row p·b + r belongs to record r."""
        args, kwargs = self.records("text", 2)
        wrapper = self.wrapper("text")
        z = np.random.default_rng(0).standard_normal((6, 7, 6))
        found = wrapper.fprop(args, kwargs, doi_cut="embedding", intervention=z)
        mask = np.tile(kwargs["mask"], (3, 1))
        ids = np.tile(args[0], (3, 1))
        expected = wrapper.fprop(ids, {"mask": mask}, doi_cut="embedding", intervention=z)
        assert found.shape == (6, 3)
        assert self.close(found, expected)
        with pytest.raises(InterventionError, match=r"(?s)5 rows.*2 records"):
            wrapper.fprop(args, kwargs, doi_cut="embedding", intervention=z[:5])

    def test_interventions_at_the_input(self) -> None:
        """They replace the positional arguments; `ModelInputs` the keyword ones too."""
        (a, b), _ = self.records("two_inputs", 2)
        (c, d), _ = self.records("two_inputs", 4, seed=1)
        wrapper = self.wrapper("two_inputs")
        expected = wrapper(c, d)
        assert self.close(wrapper.fprop([a, b], intervention=[c, d]), expected)
        assert self.close(wrapper.fprop([a, b], intervention=ModelInputs([c, d])), expected)
        named = ModelInputs([], {"a": c, "b": d})
        assert self.close(wrapper.fprop([], {"a": a, "b": b}, intervention=named), expected)
        found = wrapper.fprop([a], {"b": b}, intervention=c)
        assert self.close(found, wrapper(c, np.tile(b, (2, 1))))
        x = self.records("mlp", 2)[0][0]
        assert self.close(
            self.wrapper("mlp").fprop(x, intervention=x * 2), self.wrapper("mlp")(2 * x)
        )

    def test_values_at_two_cuts(self) -> None:
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        z = np.random.default_rng(0).standard_normal((3, 4))
        y, there = wrapper.fprop(x, doi_cut="hidden", attribution_cut="second", intervention=z)
        assert self.close(
            there, wrapper.fprop(x, doi_cut="hidden", to_cut="second", intervention=z)
        )
        assert self.close(y, wrapper.fprop(x, doi_cut="second", intervention=there))
        given = Cut("second", anchor="in")
        both = wrapper.fprop(x, to_cut="second", attribution_cut=given)
        alone = [wrapper.fprop(x, to_cut=cut) for cut in ("second", given)]
        assert self.close(list(both), alone, what="both sides of a layer, seen in one pass")
        y, there = wrapper.fprop(x, attribution_cut=InputCut())
        assert self.close([y, there], [wrapper(x), x])
        _, same = wrapper.fprop(x, doi_cut="hidden", attribution_cut="hidden", intervention=z)
        assert self.close(same, z, what="a value put in at a cut, as the same pass shows it")

    def test_replace_then_tap_then_capture(self) -> None:
        """At one cut: what was put in is differentiated at, and what is seen is what goes on."""
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        z = np.random.default_rng(2).standard_normal((3, 6))
        cuts: dict[str, Any] = {"doi_cut": "second", "to_cut": "second", "intervention": z}
        shown, there = wrapper.fprop(x, attribution_cut="second", **cuts)
        assert self.close([shown, there], [z, z], what="what is seen where a value was put in")
        squares = wrapper.qoi_bprop(lambda y: y[:, 0] * y[:, 0], x, **cuts)
        expected = np.zeros_like(z)
        expected[:, 0] = 2 * z[:, 0]
        assert self.close(squares, expected, what="the gradient where a value was put in and seen")

    def test_gradients_of_interventions(self) -> None:
        """Row by row; the attribution_cut defaults to the doi_cut."""
        (x,), _ = self.records("mlp", 2)
        wrapper, w = self.wrapper("mlp"), ZOO["mlp"].weights()
        z = np.random.default_rng(0).standard_normal((6, 6))
        found = wrapper.qoi_bprop(ClassQoI(1), x, doi_cut="second", intervention=z)
        assert self.close(found, (1 - np.tanh(z) ** 2) * w["logits.weight"][1])
        inner = wrapper.qoi_bprop(
            ClassQoI(1), x, doi_cut="second", attribution_cut="act2", intervention=z
        )
        assert self.close(inner, np.broadcast_to(w["logits.weight"][1], (6, 6)))
        to = wrapper.qoi_bprop(2, x, doi_cut="second", to_cut="act2", intervention=z)
        expected = np.zeros((6, 6))
        expected[:, 2] = 1 - np.tanh(z[:, 2]) ** 2
        assert self.close(to, expected)

    def test_data_of_records_are_repeated_for_points(self) -> None:
        (x,), _ = self.records("mlp", 2)
        wrapper = self.wrapper("mlp")
        z = np.random.default_rng(0).standard_normal((4, 6))
        qoi = ClassQoI([2, 0]) + Scaled(np.asarray([1.0, -3.0]))
        found = wrapper.qoi_bprop(qoi, x, doi_cut="second", intervention=z)
        repeated = ClassQoI([2, 0, 2, 0]) + Scaled(np.asarray([1.0, -3.0, 1.0, -3.0]))
        four = np.tile(x, (2, 1))
        expected = wrapper.qoi_bprop(repeated, four, doi_cut="second", intervention=z)
        assert self.close(found, expected)
        with pytest.raises(QoiError, match=r"3 values.*2 records"):
            wrapper.qoi_bprop(ClassQoI([0, 1, 2]), x)

    def test_the_predicted_class_is_that_of_the_inputs(self) -> None:
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        best = wrapper(x).argmax(1)
        z = np.random.default_rng(1).standard_normal((6, 6)) * 3
        found = wrapper.qoi_bprop("predicted", x, doi_cut="second", intervention=z)
        expected = wrapper.qoi_bprop(ClassQoI(best), x, doi_cut="second", intervention=z)
        assert self.close(found, expected)
        assert not np.allclose(found, wrapper.qoi_bprop("max", x, doi_cut="second", intervention=z))

    def test_gradients_are_nested(self) -> None:
        """Outer list: quantities; inner list: tensors; lists of one unwrapped."""
        (a, b), _ = self.records("two_inputs", 2)
        wrapper = self.wrapper("two_inputs")
        one = wrapper.qoi_bprop(Product(), [a, b])
        assert [g.shape for g in one] == [(2, 4), (2, 3)]
        both = wrapper.qoi_bprop(Several(), [a, b])
        assert [[g.shape for g in gs] for gs in both] == [[(2, 4), (2, 3)]] * 2
        single = wrapper.qoi_bprop(Several(), [a, b], attribution_cut="left")
        assert [g.shape for g in single] == [(2, 5)] * 2
        assert wrapper.qoi_bprop(0, [a, b], attribution_cut="left").shape == (2, 5)

    def test_the_kind_is_the_callers(self) -> None:
        (x,), _ = self.records("mlp", 2, "float32")
        wrapper = self.wrapper("mlp")
        calls: tuple[Any, ...] = (
            wrapper.fprop,
            wrapper,
            wrapper.logits,
            wrapper.probits,
            lambda x: wrapper.qoi_bprop("max", x),
            lambda x: wrapper.fprop(x, doi_cut="hidden", intervention=np.zeros((2, 4))),
        )
        for call in calls:
            array, tensor = call(x), call(self.tensor(x))
            assert isinstance(array, np.ndarray)
            assert array.dtype == "float32"
            assert self.backend.is_tensor(tensor)
            assert tensor.dtype == self.tensor(x).dtype
            assert self.repeated(tensor, array)
