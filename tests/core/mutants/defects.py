"""What a defect is: a mixin of the backend's class, of the wrapper's, or of both.

It says which duty of a backend it neglects, which test of the conformance suite must find it, and
in which words. Each file of defects has a list of its own; `every.py` has them all.
"""

import contextlib
from unittest import mock

from trulens_core.passes import Pass

DEFECTS = {}
"""By name."""


class Defect:
    """No defect.

    Attributes:
        duty: which it neglects.
        test: of the suite, that must fail, and with which message.
        frameworks: on which it can be.
    """

    duty = test = message = ""
    frameworks = ("reference", "torch")

    class Backend:
        pass

    class Wrapper:
        pass


def neglects(duty, test, message, *frameworks):
    """Enter a defect in the list."""

    def entered(kind):
        kind.duty, kind.test, kind.message = duty, test, message
        kind.frameworks = frameworks or kind.frameworks
        DEFECTS[kind.__name__] = kind
        return kind

    return entered


@contextlib.contextmanager
def shown(change):
    """What a pass is shown of a layer, and what goes on: `change(at, place, value)`."""
    before = Pass.at
    with mock.patch.object(Pass, "at", lambda p, place, v: change(before.__get__(p), place, v)):
        yield
