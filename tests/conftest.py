"""How the tests are spread over processes."""

import pytest


@pytest.hookimpl(optionalhook=True)  # only pytest-xdist calls it
def pytest_xdist_make_scheduler(config, log):
    """Any test anywhere, but tests/packaging in one process, which builds and installs once.

    The mark `xdist_group` would say the same, but pytest-xdist 3.8 loses it under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class PackagingTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "packaging" if nodeid.startswith("tests/packaging/") else nodeid

    return PackagingTogether(config, log)
