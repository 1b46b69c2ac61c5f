"""The kit finds an operation that is hidden from the rules, and says who serves none."""

import pytest

from trulens_core.passes import CutModel
from trulens_core.rules import Applied
from trulens_core.testing import ZOO, ReferenceModel, register_reference
from trulens_core.testing.certificate import certificate
from trulens_core.testing.conformance import Rules
from trulens_core.testing.conformance.rules import SERVED
from trulens_core.testing.reference import ReferenceWrapper

register_reference()


class Sound(Rules):
    """No defect."""

    backend_name = "reference"
    wrapper_class = ReferenceWrapper

    @classmethod
    def wrapper(cls, name, dtype="float64"):
        return cls.wrapper_class(ReferenceModel(ZOO[name], dtype))

    def law_is_checked(self, name, *arguments):
        self._deviations = []
        served = self.wrapper_class.ruled is not CutModel.ruled
        getattr(self, name)(*arguments, served)


class Hiding(Applied):
    """Rules that never hear of one kind of operation."""

    kind = "relu"

    def apply(self, op):
        return op() if op.kind == self.kind else super().apply(op)


class Hidden(Sound):
    """ReLUs do not reach the rules."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        def ruled(self, inputs, *, rules, **options):
            rules.__class__ = Hiding
            return super().ruled(inputs, rules=rules, **options)


class Without(Sound):
    """A backend that serves no rules."""

    class wrapper_class(ReferenceWrapper):  # noqa: N801
        ruled = CutModel.ruled


CASES = {
    "test_rules_reach_relus": (),
    "test_rules_give_what_they_give_on_the_reference": ("guided", "cnn"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sound_one_passes(name):
    Sound().law_is_checked(name, *CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_a_hidden_operation_is_found(name):
    with pytest.raises(AssertionError):
        Hidden().law_is_checked(name, *CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_one_that_serves_none_is_asked_for_its_refusal(name):
    """Nothing is skipped: that it says so is what is tested."""
    Without().law_is_checked(name, *CASES[name])


class Report:
    def __init__(self, served):
        self.user_properties, self.nodeid = [(SERVED, served)], "suite::test"


@pytest.mark.parametrize(("served", "line"), [(True, "rules: yes"), (False, "rules: no")])
def test_the_certificate_tells(served, line):
    assert line in certificate({"passed": [Report(served)]}, [])
