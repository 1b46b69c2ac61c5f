"""What a backend's tests give the suite, and what the suite's tests share."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest

from trulens_core import get_model_wrapper
from trulens_core.backends import Backend
from trulens_core.errors import TrulensWarning
from trulens_core.models import ModelWrapper
from trulens_core.testing.conformance.compare import EXACT, Array, arrays, deviation, precision
from trulens_core.testing.zoo import KINDS, LAYERED, ZOO, Architecture

Call = tuple[list[Any], dict[str, Any]]
"""Positional and keyword arguments."""
MIXED = "the model's rows see one another"
LAW, DEVIATIONS = "trulens law", "trulens deviations"
"""The properties of a test's report: the law it checks, and its (type, relative error)s."""
Test = TypeVar("Test", bound=Callable[..., Any])


def checks(law: str) -> Callable[[Test], Test]:
    """Say which law a test checks, where it is not that of its class."""

    def marked(test: Test) -> Test:
        test.law = law  # type: ignore[attr-defined]
        return test

    return marked


def needs(model: str) -> Callable[[Test], Test]:
    """Say which model of `LAYERED` a test is about; without it, the test does not apply.

    `"trained"`: that it changes weights, which a harness need not be able to.
    """

    def marked(test: Test) -> Test:
        test.needs = model  # type: ignore[attr-defined]
        return test

    return marked


class Harness:
    """A backend under test.

    Attributes:
        backend_name: as `backend=` takes it.
        channels_last: whether its images have their channels last.
        expected_failures: by a test's name, `"test_calls_are_told_apart"` or one case of it,
            `"test_functions[float32-sum]"`, why this backend cannot pass it. Such a test must
            fail: one that passes after all fails the suite.
        frameworks: distributions whose versions the certificate tells; none: those that the
            backend's own distribution requires.
        layered: which models of `LAYERED` it builds, of the framework's own layers; the others,
            all of them where its layers are functions, are not tried, as the certificate says.
        repeats_bits: whether an evaluation gives the same bits each time, as it does not on GPUs.
        tolerance: the largest relative error of float64 results, `EXACT` = 1e-10; a framework that
            computes them less exactly declares by how much, and the certificate says it.
        law: what the tests of a class check.
    """

    backend_name: ClassVar[str]
    channels_last: ClassVar[bool] = False
    expected_failures: ClassVar[Mapping[str, str]] = {}
    frameworks: ClassVar[tuple[str, ...]] = ()
    layered: ClassVar[Collection[str]] = ()
    repeats_bits: ClassVar[bool] = True
    tolerance: ClassVar[float] = EXACT
    law: ClassVar[str] = "the suite itself"

    def build(self, architecture: Architecture, dtype: str) -> Any:
        """The framework's own model of an architecture, as a user would have made it."""
        raise NotImplementedError

    def state(self, model: Any) -> Mapping[str, Any]:
        """All that a call must leave as it was, by name.

        Weights as arrays; flags, hooks, devices, the framework's global switches and random
        generators as anything that compares with `==`.
        """
        raise NotImplementedError

    def layer_name(self, path: str) -> str:
        """The name of a layer inside of others, whose path in the zoo is `"block.layer"`."""
        return path

    def trained(self, model: Any, factor: float) -> None:
        """Multiply a model's weights where they are, as training changes them."""
        raise NotImplementedError

    def elsewhere(self, x: Any) -> Any:  # noqa: ARG002 - a hook
        """A tensor on another device than `x` and of its type; None where there is no other."""
        return None

    # -- shared ------------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _expect_failure(self, request: pytest.FixtureRequest) -> None:
        for name in (request.node.name, request.node.originalname):
            if name in self.expected_failures:
                reason = self.expected_failures[name]
                request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture(autouse=True)
    def _no_way_out(self) -> Iterator[None]:
        """Where core finds that records are mixed it evaluates them apart: no model here mixes."""
        with warnings.catch_warnings():
            warnings.filterwarnings("error", MIXED, TrulensWarning)
            yield

    @pytest.fixture(autouse=True)
    def _needs(self, request: pytest.FixtureRequest) -> None:
        if not self.applies(request.function):
            what = KINDS.get(request.function.needs, "weights that change between calls")
            pytest.skip(f"{what}: not tried")

    @classmethod
    def applies(cls, test: Any) -> bool:
        """Whether a test is about no model of `LAYERED` that this harness does not build."""
        needed = getattr(test, "needs", None)
        if needed == "trained":
            return cls.trained is not Harness.trained
        return needed is None or needed in cls.layered

    @pytest.fixture(autouse=True)
    def _report(self, request: pytest.FixtureRequest) -> None:
        self._deviations: list[tuple[str, float]] = []
        properties = request.node.user_properties
        properties.append((LAW, self.law_of(request.node.originalname)))
        properties.append((DEVIATIONS, self._deviations))

    @classmethod
    def law_of(cls, test: str) -> str:
        """The law that a test checks."""
        owner = next((c for c in cls.__mro__ if test in vars(c)), cls)
        law: str = getattr(getattr(cls, test, None), "law", getattr(owner, "law", cls.law))
        return law

    def test_expected_failures_are_of_tests_that_exist(self) -> None:
        assert all(hasattr(self, n.partition("[")[0]) for n in self.expected_failures)

    @classmethod
    def model(cls, name: str, dtype: str = "float64") -> Any:
        """A model of the zoo, the same at every call."""
        owner: Any = cls  # mypy does not know that classes are hashable
        return _model(owner, name, dtype)

    @classmethod
    def wrapper(cls, name: str, dtype: str = "float64") -> ModelWrapper:
        """The wrapper of a model of the zoo, told what has no row per record; always the same."""
        owner: Any = cls
        return _wrapper(owner, name, dtype)

    @classmethod
    def wrapped(cls, name: str, dtype: str = "float64", **options: Any) -> ModelWrapper:
        """A new wrapper of a model of the zoo."""
        return get_model_wrapper(cls.model(name, dtype), backend=cls.backend_name, **options)

    @property
    def backend(self) -> Backend:
        """The backend."""
        return self.wrapper("linear").backend

    def tensor(self, array: Any) -> Any:
        """An array as a tensor."""
        return self.backend.from_numpy(np.asarray(array))

    def layout(self, array: Array) -> Array:
        """An array of the zoo in the framework's layout of images."""
        return np.moveaxis(array, 1, -1) if self.channels_last and array.ndim == 4 else array

    def zoo_layout(self, array: Array) -> Array:
        """The inverse of `layout`."""
        return np.moveaxis(array, -1, 1) if self.channels_last and array.ndim == 4 else array

    def records(self, name: str, n: int, dtype: str = "float64", seed: int = 0) -> Call:
        """Arguments of n records for a model of the zoo."""
        args, kwargs = architecture(name).inputs(n, dtype, seed)
        return [self._laid_out(a) for a in args], {k: self._laid_out(v) for k, v in kwargs.items()}

    def _laid_out(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: self.layout(v) for k, v in value.items()}
        return self.layout(value)

    def arrays_of(self, value: Any) -> list[Array]:
        """The arrays and tensors of a result, in their order, as arrays."""
        return [a for _, a in arrays(value, self.backend)]

    def close(
        self, found: Any, expected: Any, tolerance: float | None = None, what: str = "a result"
    ) -> bool:
        """Whether two results have one structure and agree; the certificate tells how well.

        Args:
            found: arrays and tensors, in lists and dicts.
            expected: the same.
            tolerance: the largest relative error that is allowed; None: `EXACT`. A larger one that
                the harness declares takes its place, but not that of equality.
            what: what was found, for the message.
        """
        error = deviation(found, expected, self.backend)
        self.measured(error, precision(found, self.backend))
        allowed = EXACT if tolerance is None else tolerance
        if allowed and self.tolerance > EXACT:
            allowed = max(allowed, self.tolerance)
        assert error <= allowed, f"{what}: relative error {error:.2g}, allowed {allowed:.2g}"
        return True

    def repeated(
        self, found: Any, expected: Any, what: str = "a result", dtype: str | None = None
    ) -> bool:
        """Whether two results of one evaluation are the same: to the bit, where those repeat.

        Args:
            found: arrays and tensors, in lists and dicts.
            expected: the same.
            what: what was found, for the message.
            dtype: what they were computed in, where that is narrower than theirs.
        """
        kind = dtype or precision(expected, self.backend) or ""
        rounding = {"float64": EXACT, "float32": 1e-5}.get(kind, 1e-2)
        return self.close(found, expected, 0.0 if self.repeats_bits else rounding, what)

    def named(self, tensor: Any) -> str:
        """The type of a tensor as messages have it, as a pattern."""
        return re.escape(f"{tensor.dtype}")

    def measured(self, error: float, dtype: str | None = "float64") -> None:
        """Note a deviation for the certificate."""
        if dtype is not None:
            self._deviations.append((dtype, float(error)))


def architecture(name: str) -> Architecture:
    """The architecture of a name, of `ZOO` or of `LAYERED`."""
    return ZOO[name] if name in ZOO else LAYERED[name]


@functools.cache
def _model(cls: Any, name: str, dtype: str) -> Any:
    return cls().build(architecture(name), dtype)


@functools.cache
def _wrapper(cls: Any, name: str, dtype: str) -> ModelWrapper:
    shared = {a.name: False for a in architecture(name).arguments if not a.batched}
    wrapper: ModelWrapper = cls.wrapped(name, dtype, batched=shared)
    return wrapper
