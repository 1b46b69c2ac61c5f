"""Inside another program: nothing global is read, changed or kept."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    Cut,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    LogitCut,
    MaxClassQoI,
    PointDoi,
    Slice,
)
from trulens_core.testing import small_model

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in ROOT.glob("trulens_*/src/**/*.py"))
# the one place that counts who holds a framework's own switches, and puts them back
COUNTERS = [ROOT / "trulens_torch" / "src" / "trulens_torch" / "switches.py"]
CHANGES = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "clear", "remove"}


def label(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_no_module_reads_the_environment_or_configures_logging(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    assert not names & {"logging", "environ", "environb", "getenv", "putenv", "basicConfig"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p not in COUNTERS], ids=label)
def test_no_module_changes_what_it_holds(path):
    """No `global`; a table of a module is written once, where it stands."""
    tree = ast.parse(path.read_text("utf-8"))
    held = set()
    for node in tree.body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(node, ast.Assign | ast.AnnAssign):
            held |= {target.id for target in targets if isinstance(target, ast.Name)}
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Global)
        function = getattr(node, "func", None)
        if isinstance(function, ast.Attribute) and function.attr in CHANGES:
            assert getattr(function.value, "id", None) not in held, ast.unparse(node)
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(
            node.ctx, ast.Store | ast.Del
        ):
            assert getattr(node.value, "id", None) not in held, ast.unparse(node)


def test_a_program_is_the_same_after_an_explanation():
    code = """
import locale, logging, os, signal, sys, threading, warnings
import numpy as np

def program():
    return {
        "environment": dict(os.environ),
        "handlers": (logging.root.handlers[:], logging.root.level, logging.raiseExceptions),
        "loggers": sorted(n for n in logging.root.manager.loggerDict if "trulens" in n),
        "warnings": warnings.filters[:],
        "signals": {s: signal.getsignal(s) for s in signal.valid_signals()},
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.gettrace()),
        "streams": (sys.stdout, sys.stderr),
        "folder": os.getcwd(),
        "path": sys.path[:],
        "locale": locale.setlocale(locale.LC_ALL),
        "threads": threading.active_count(),
        "errors": np.geterr(),
        "printing": {k: v for k, v in np.get_printoptions().items() if k != "override_repr"},
        "random": repr(np.random.get_state(legacy=False)),
    }

before = program()
from trulens_core import IntegratedGradients, GaussianDoi, InternalInfluence, list_backends
from trulens_core.testing import small_model
imported = program()
model, x = small_model()
IntegratedGradients(model).explain(x)
InternalInfluence(model, "hidden", 1, GaussianDoi(0.1, 5)).attributions(x)
list_backends()
after = program()
print([k for k in before if before[k] != imported[k] or before[k] != after[k]])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    "method",
    [
        lambda m: InputAttribution(m, "second", 2),
        lambda m: IntegratedGradients(m, 0.1, 4, qoi="predicted", rule="gauss-legendre"),
        lambda m: InternalInfluence(m, Slice("hidden", LogitCut()), (0, 2), GaussianDoi(0.1, 3)),
        lambda m: InternalInfluence(
            m,
            (Cut("hidden", anchor="in"), None),
            2 * MaxClassQoI() - ClassQoI([0, 1]) + ComparativeQoI(0, 1),
            LinearDoi(np.ones((2, 5)), 3, cut=Cut("hidden", anchor="in")),
            rebatch_size=3,
        ),
        lambda m: InternalInfluence(m, None, 1, PointDoi(), return_grads=True, return_doi=True),
    ],
    ids=["saliency", "path", "noise", "sums", "everything"],
)
def test_methods_and_results_are_pickled(method):
    """As processes send them to one another; what is sent gives the same numbers."""
    model, x = small_model()
    method = method(model)
    result = method.explain(x)
    other = pickle.loads(pickle.dumps(method)).explain(x)
    again = pickle.loads(pickle.dumps(result))
    for field in ("attributions", "gradients", "interventions", "quantity", "n_points"):
        expected = getattr(result, field)
        for found in (getattr(other, field), getattr(again, field)):
            assert (expected is None and found is None) or (found == expected).all()
