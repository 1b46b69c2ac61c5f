"""Rules of the backward pass reach every operation, and give what they give on the reference."""

from __future__ import annotations

import numpy as np
import pytest

from trulens_core import DeepLIFT, InternalInfluence, UncoveredOperationError
from trulens_core.attribution import AttributionMethod
from trulens_core.models import ModelWrapper
from trulens_core.rules import Gradient, RuleSet, composites
from trulens_core.testing.conformance.compare import Array
from trulens_core.testing.conformance.parity import RECORDS, FrameworkIndependence
from trulens_core.testing.conformance.subjects import SUBJECTS, Subject

SERVED = "trulens rules"
"""The property of a test's report: whether the backend serves rules."""
NULL = 1e-12
EVERY = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=str)
RULED = {
    "guided": ("mlp_relu", "cnn", "resnet"),
    "epsilon": ("mlp", "cnn", "resnet", "recurrent"),
    "alpha2_beta1": ("cnn", "resnet"),
    "attn_lrp": ("transformer", "shared"),
}
"""Rule sets, and the models whose operations they have rules for."""
PAIRS = [(rules, name) for rules, names in RULED.items() for name in names]


class Rules(FrameworkIndependence):
    """Every operation from the source to the target goes through the rules once, or it raises.

    Where a backend serves none, asking for rules is one clear error, and the certificate says so.
    """

    law = "rules of the backward pass"

    @pytest.fixture
    def served(self, request: pytest.FixtureRequest) -> bool:
        """Whether the backend serves rules, which the certificate tells."""
        found = self.wrapper("linear").serves_rules()
        request.node.user_properties.append((SERVED, found))
        return found

    def _by_rules(
        self, served: bool, method: AttributionMethod, name: str, axis: int = 0
    ) -> Array | None:
        """A row for each record; None where the backend says that it serves no rules."""
        args, kwargs = self.records(name, RECORDS)
        if served:
            return self._by_record(method.attributions(*args, **kwargs), axis, self.zoo_layout)
        with pytest.raises(UncoveredOperationError, match="rules of the backward pass"):
            method.attributions(*args, **kwargs)
        return None

    @EVERY
    def test_gradients_everywhere_are_the_gradient(self, subject: Subject, served: bool) -> None:
        """From every cut; no operation is left out."""
        for source in (subject.source, subject.inner):
            rules = RuleSet([("*", Gradient())])
            cuts = self.wrapper(subject.name), (source, subject.target), "max", "point"
            axis = getattr(source, "batch_axis", 0)
            method = InternalInfluence(*cuts, rules=rules)
            found = self._by_rules(served, method, subject.name, axis)
            if found is None:
                return
            plain = InternalInfluence(*cuts)
            args, kwargs = self.records(subject.name, RECORDS)
            expected = self._by_record(plain.attributions(*args, **kwargs), axis, self.zoo_layout)
            assert self.close(found, expected, NULL, f"gradients by rules from {source}")
            assert rules.report is not None
            assert rules.report.complete

    @EVERY
    def test_differences_are_conserved(self, subject: Subject, served: bool) -> None:
        """DeepLIFT's attributions add up to q(x) − q(baseline) to rounding."""
        cuts = {"doi_cut": subject.source, "qoi_cut": subject.target}
        method = DeepLIFT(self.wrapper(subject.name), 0.3, qoi=0, **cuts)
        if not served:
            self._by_rules(served, method, subject.name)
            return
        args, kwargs = self.records(subject.name, RECORDS)
        result = method.explain(*args, **kwargs)
        change = np.abs(self.arrays_of(result.quantity)[0]) + 1.0
        off = np.abs(self.arrays_of(result.residual)[0]) / change
        self.measured(float(off.max()))
        assert off.max() <= NULL

    @pytest.mark.parametrize("name", ["mlp_relu", "cnn", "resnet"])
    def test_what_adds_and_takes_away_is_that_of_the_reference(
        self, name: str, served: bool
    ) -> None:
        """RevealCancel: the parts of sums reach the functions that come next, and are complete."""

        def asked(wrapper: ModelWrapper) -> DeepLIFT:
            return DeepLIFT(wrapper, 0.3, qoi=0, rules=composites.reveal_cancel())

        args, kwargs = self.records(name, RECORDS)
        if not served:
            self._by_rules(served, asked(self.wrapper(name)), name)
            return
        result = asked(self.wrapper(name)).explain(*args, **kwargs)
        change = np.abs(self.arrays_of(result.quantity)[0]) + 1.0
        assert (np.abs(self.arrays_of(result.residual)[0]) / change).max() <= NULL
        expected = asked(self._reference(name, "float64")).attributions(
            *[self.zoo_layout(a) for a in args],
            **{k: self.zoo_layout(v) for k, v in kwargs.items()},
        )
        found = self._by_record(result.attributions, 0, self.zoo_layout)
        assert self.close(found, self._by_record(expected, 0), 1e-10, f"RevealCancel of {name}")

    @pytest.mark.parametrize(("rules", "name"), PAIRS)
    def test_rules_give_what_they_give_on_the_reference(
        self, rules: str, name: str, served: bool
    ) -> None:
        """The same operations are seen, by the same names of kinds, with the same weights."""

        def asked(wrapper: ModelWrapper) -> InternalInfluence:
            made = getattr(composites, rules)()
            return InternalInfluence(wrapper, None, 1, "point", rules=made)

        found = self._by_rules(served, asked(self.wrapper(name)), name)
        if found is None:
            return
        reference = asked(self._reference(name, "float64"))
        args, kwargs = self.records(name, RECORDS)
        expected = reference.attributions(
            *[self.zoo_layout(a) for a in args],
            **{k: self.zoo_layout(v) for k, v in kwargs.items()},
        )
        assert self.close(found, self._by_record(expected, 0), 1e-10, f"{rules} of {name}")

    def test_rules_reach_relus(self, served: bool) -> None:
        """Guided backpropagation is something else than the gradient: nothing was let through."""
        wrapper = self.wrapper("cnn")
        plain = InternalInfluence(wrapper, None, 1, "point")
        guided = InternalInfluence(wrapper, None, 1, "point", rules=composites.guided())
        found = self._by_rules(served, guided, "cnn")
        if found is None:
            return
        args, kwargs = self.records("cnn", RECORDS)
        expected = self._by_record(plain.attributions(*args, **kwargs), 0, self.zoo_layout)
        assert float(np.max(np.abs(found - expected))) > NULL
