"""The library beside the current TruLens distributions, with which it shares `trulens`."""

import pytest

# Another product, from the package index: only this test installs it.
CURRENT = "trulens-core"


@pytest.fixture(scope="module")
def shared(new_environment, wheels):
    """Both in one environment; constraints.txt is for ours and would narrow theirs."""
    environment = new_environment("shared")
    environment.install(CURRENT, wheels["trulens-nn"].path)
    return environment


def test_both_import(shared):
    code = """
import trulens.core.schema.base
import trulens.nn.attribution
import trulens.utils.typing
import trulens_core
print(trulens.core.__name__, trulens.nn.attribution.InternalInfluence.__name__)
"""
    assert shared.python("-c", code) == "trulens.core InternalInfluence"


def test_neither_overwrites_a_file_of_the_other(shared):
    code = f"""
from importlib.metadata import distribution
def files(name):
    return {{str(file) for file in distribution(name).files if "dist-info" not in str(file)}}
theirs, ours = files({CURRENT!r}), files("trulens-nn")
assert theirs and ours
print(sorted(theirs & ours))
"""
    assert shared.python("-c", code) == "[]"
