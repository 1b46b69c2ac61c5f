"""The wheels at work where nothing else is installed."""

import ast
import json

PATHS = [
    "trulens.nn.models",
    "trulens.nn.slices",
    "trulens.nn.quantities",
    "trulens.nn.distributions",
    "trulens.nn.attribution",
    "trulens.nn.backend",
    "trulens.utils.typing",
    "trulens.utils.nlp",
    "trulens.visualizations",
]
ADDED = "import sys; before = set(sys.modules); {}; print(sorted(set(sys.modules) - before))"


def imported(environment, statement):
    return set(ast.literal_eval(environment.python("-c", ADDED.format(statement))))


def installed(environment):
    code = """
import importlib.metadata, json
print(json.dumps({d.name: d.version for d in importlib.metadata.distributions()}))
"""
    return json.loads(environment.python("-c", code))


def test_core_alone_imports(core_environment):
    assert core_environment.python("-W", "error", "-c", "import trulens_core") == ""


def test_core_alone_has_the_documented_paths(core_environment):
    statement = f"import {', '.join(PATHS)}"
    assert set(PATHS) <= imported(core_environment, statement)


def test_core_alone_brings_three_requirements_and_what_they_need(core_environment):
    names = set(installed(core_environment))
    assert {"trulens-nn", "numpy", "pluggy", "optree"} <= names
    assert names <= {"trulens-nn", "numpy", "pluggy", "optree", "typing_extensions"}


def test_core_alone_lists_no_backend(core_environment):
    code = "import trulens_core; print(len(trulens_core.list_backends()))"
    assert core_environment.python("-c", code) == "0"
    core_environment.python("-m", "trulens_core", "backends")


def test_the_extra_installs_both_of_our_wheels(torch_environment, wheels, version):
    found = installed(torch_environment)
    assert found["trulens-nn"] == found["trulens-nn-torch"] == version
    for name in ("trulens-nn", "trulens-nn-torch"):
        code = f"""
import importlib.metadata
print(importlib.metadata.distribution({name!r}).read_text("RECORD"))
"""
        ours = set(wheels[name].read(".dist-info/RECORD").split())
        assert ours <= set(torch_environment.python("-c", code).split())


def test_the_extra_makes_the_backend_known(torch_environment):
    code = """
import trulens_core
found = trulens_core.list_backends().values()
print([(backend.name, backend.distribution, backend.error) for backend in found])
"""
    assert torch_environment.python("-c", code) == "[('torch', 'trulens-nn-torch', None)]"


def test_the_examples_of_the_readme_run_one_after_the_other(here, readme_examples, tmp_path):
    script = tmp_path / "examples.py"
    script.write_text("\n".join(readme_examples))
    assert here.python(script)


def test_the_first_example_of_the_readme_runs(torch_environment, readme_examples, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(readme_examples[0])
    assert torch_environment.python("-W", "error", script)
