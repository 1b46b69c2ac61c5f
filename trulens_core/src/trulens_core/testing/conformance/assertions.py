"""Failing assertions of the suite show their values, as in a user's own tests.

pytest has to be told before the modules are imported, so this one comes first.
"""

import pkgutil
from pathlib import Path

import pytest

_PACKAGE = __name__.rpartition(".")[0]
_MODULES = [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)])]
pytest.register_assert_rewrite(*(f"{_PACKAGE}.{m}" for m in _MODULES if m != Path(__file__).stem))
