"""Plug-ins: which frameworks are installed, which of them a model or tensor belongs to.

A plug-in is an entry point of the group `trulens.backends`. Its module imports only trulens_core
and implements one hook, which returns a `BackendDescription`. Entry points are loaded one by one:
a broken one is kept with its exception, warned of once, and harms nobody else.
"""

from trulens_core.plugins.descriptions import BackendDescription as BackendDescription
from trulens_core.plugins.descriptions import BackendInfo as BackendInfo
from trulens_core.plugins.descriptions import LoadedBackend as LoadedBackend
from trulens_core.plugins.discovery import GROUP as GROUP
from trulens_core.plugins.discovery import hookimpl as hookimpl
from trulens_core.plugins.discovery import hookspec as hookspec
from trulens_core.plugins.frameworks import framework as framework
from trulens_core.plugins.frameworks import qualified_names as qualified_names
from trulens_core.plugins.frameworks import roots as roots
from trulens_core.plugins.functions import Values as Values
from trulens_core.plugins.register import Registry as Registry
from trulens_core.plugins.register import get_backend as get_backend
from trulens_core.plugins.register import list_backends as list_backends
from trulens_core.plugins.register import register_backend as register_backend
from trulens_core.plugins.register import registry as registry
