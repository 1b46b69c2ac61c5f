"""No trace: after a call, also one that raised, the model is as it was."""

from __future__ import annotations

import concurrent.futures
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    CutError,
    DoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing.conformance.harness import Harness
from trulens_core.testing.conformance.snapshots import assert_same, copied, same
from trulens_core.testing.conformance.subjects import SUBJECTS, Product, Subject, distributions
from trulens_core.testing.zoo import ZOO

EVERY = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=str)


class Interrupted(BaseException):
    """As a user's Ctrl-C: no Exception."""


class FailedError(Exception):
    """A mistake in a user's function."""


class NoTrace(Harness):
    """What a call must leave as it was."""

    law = "no trace"

    def _state(self, name: str) -> dict[str, Any]:
        """All of a model, and what is global, with its outputs."""
        args, kwargs = self.records(name, 2)
        model = copied(self.state(self.model(name)))
        generator: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - the global one
        return {
            **model,
            "NumPy's random state": copied(generator["state"]),
            "NumPy's errors": np.geterr(),
            # a framework that imports more of itself may add some for its own categories
            "warnings": [f for f in warnings.filters if f[2].__module__ == "builtins"],
            "output": copied(self.wrapper(name)(*args, **kwargs)),
        }

    def _assert_state(self, before: dict[str, Any], name: str) -> None:
        after = self._state(name)
        assert self.repeated(after.pop("output"), before.pop("output"), "the output afterwards")
        assert_same(before, after)

    @pytest.fixture
    def unchanged(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """The model of the test's subject is the same after the test."""
        subject = request.getfixturevalue("subject") if "subject" in request.fixturenames else None
        name = subject.name if subject else "mlp"
        for other in ("shared", "linear"):
            self.wrapper(other)  # building a model may draw random numbers
        before = self._state(name)
        yield
        self._assert_state(before, name)

    def test_a_state_tells_changes(self) -> None:
        """The comparison itself: of weights, and of what the backend lists besides."""
        before = self._state("mlp")
        assert [k for k in before if "weight" in k.lower() or "kernel" in k.lower()]
        other = copied(before)
        for k, v in other.items():
            if isinstance(v, np.ndarray) and v.size and v.dtype.kind == "f":
                v.flat[0] += 1e-12
                assert not same(before[k], v)

    @pytest.mark.parametrize("name", ["mlp", "resnet"])
    def test_after_the_first_call(self, name: str) -> None:
        """Of a model that nobody has called: a flag may change once and for all."""
        model = self.build(ZOO[name], "float64")
        self.state(model)
        before = copied(self.state(model))
        args, kwargs = self.records(name, 2)
        wrapper = get_model_wrapper(model, backend=self.backend_name)
        InternalInfluence(wrapper, SUBJECTS[name].inner, "max", "linear").explain(*args, **kwargs)
        assert_same(before, copied(self.state(model)))

    @EVERY
    @pytest.mark.usefixtures("unchanged")
    def test_after_every_kind_of_call(self, subject: Subject) -> None:
        args, kwargs = self.records(subject.name, 2)
        wrapper = self.wrapper(subject.name)
        slices = (subject.inner, subject.target)
        for doi in distributions(subject.source).values():
            InternalInfluence(wrapper, slices, Product(), doi, rebatch_size=3).attributions(
                *args, **kwargs
            )
        InternalInfluence(
            wrapper, slices, ClassQoI(1), "point", return_grads=True, return_doi=True
        ).explain(*args, **kwargs)
        wrapper.qoi_bprop("max", args, kwargs, to_cut=subject.target, attribution_cut=subject.inner)
        wrapper.fprop(args, kwargs, to_cut=subject.inner)
        wrapper.logits(*args, **kwargs)
        wrapper.probits(*args, **kwargs)
        repr(wrapper)

    @pytest.mark.parametrize("error", [FailedError, Interrupted, KeyboardInterrupt])
    @pytest.mark.parametrize("where", ["quantity", "distribution", "baseline", "accessor"])
    @pytest.mark.usefixtures("unchanged")
    def test_after_an_error(self, error: type[BaseException], where: str) -> None:
        """An explanation after it gives what one before it gave."""
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")

        def fail(_: Any) -> Any:
            raise error("on purpose")

        class Failing(DoI):
            def __call__(self, z: Any) -> Any:
                return fail(z)

        expected = InternalInfluence(wrapper, "second", Product(), "linear").attributions(x)
        cuts: Any = ("second", None)
        if where == "quantity":
            method = InternalInfluence(wrapper, cuts, fail, LinearDoi(0.0, 4), rebatch_size=3)
        elif where == "distribution":
            method = InternalInfluence(wrapper, cuts, 0, Failing())
        elif where == "baseline":
            method = InternalInfluence(wrapper, cuts, 0, LinearDoi(fail, 3, cut="hidden"))
        else:
            method = InternalInfluence(
                wrapper, ("hidden", Cut("second", accessor=fail)), 0, "point"
            )
        before = copied(self.state(self.model("mlp")))
        with pytest.raises(error, match="on purpose"):
            method.attributions(x)
        assert_same(before, copied(self.state(self.model("mlp"))))  # the next call may mend it
        again = InternalInfluence(wrapper, "second", Product(), "linear").attributions(x)
        assert self.repeated(again, expected, "an explanation after an error")

    @pytest.mark.usefixtures("unchanged")
    def test_after_an_error_of_ours(self) -> None:
        (x,), _ = self.records("mlp", 3)
        wrapper = self.wrapper("mlp")
        calls: tuple[Any, ...] = (
            lambda: wrapper.fprop(x, doi_cut="hidden", intervention=np.zeros((3, 9))),
            lambda: InternalInfluence(wrapper, ("second", "hidden"), 0, "point").attributions(x),
            lambda: InternalInfluence(wrapper, None, ClassQoI(7), "point").attributions(x),
            lambda: InternalInfluence(wrapper, None, lambda y: y[:1, 0], "point").attributions(x),
        )
        for ask in calls:
            with pytest.raises((ValueError, IndexError)):
                ask()
        with pytest.raises(CutError):
            self.wrapper("shared").fprop(x, to_cut="cell")

    @pytest.mark.usefixtures("unchanged")
    def test_an_error_of_the_model(self) -> None:
        """Records of a shape that the model cannot take."""
        with pytest.raises(Exception) as info:  # noqa: PT011 - the framework's own
            IntegratedGradients(self.wrapper("mlp"), resolution=4).attributions(np.zeros((3, 7)))
        assert not isinstance(info.value, AssertionError)

    def test_results_do_not_change_what_comes_after(self) -> None:
        """The same call gives the same numbers, whatever was asked between."""
        (x,), _ = self.records("cnn", 2)
        method = IntegratedGradients(self.wrapper("cnn"), resolution=4, rebatch_size=3)
        first = method.attributions(x)
        InputAttribution(self.wrapper("cnn"), "conv2", 1).attributions(x[:1])
        assert self.repeated(method.attributions(x), first, "the same call again")

    def test_threads(self) -> None:
        """Several explanations of one model at a time do not disturb each other."""
        (x,), _ = self.records("shared", 4)

        def explained(i: int) -> Any:
            cut = Cut("cell", call=i % 3)
            doi = LinearDoi(0.1, 3, cut=cut)
            method = InternalInfluence(
                self.wrapper("shared"), cut, ClassQoI(i % 2), doi, rebatch_size=4
            )
            return method.attributions(x)

        expected = [explained(i) for i in range(6)]
        before = self._state("shared")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            found = list(pool.map(explained, list(range(6)) * 5))
        for i, result in enumerate(found):
            assert self.close(result, expected[i % 6], 1e-12)
        self._assert_state(before, "shared")
