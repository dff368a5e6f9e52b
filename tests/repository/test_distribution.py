from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# A CUDA build of torch asks for one exact triton: a pin here would make it uninstallable.
UNPINNED = {"triton"}
PACKAGES = {"acp", "cep", "reference_runtime", "conformance"}


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def pins(repository):
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    matches = [re.fullmatch(r"([\w.-]+)==([\w.]+)", ln) for ln in lines if not ln.startswith("#")]
    assert all(matches), "every line is NAME==VERSION: no path, no host, no local version"
    return {canonicalize_name(m.group(1)): Version(m.group(2)) for m in matches}


def requirements(project):
    extras = project["optional-dependencies"].values()
    every = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return [r for r in map(Requirement, every) if r.name != project["name"]]


def test_every_dependency_is_pinned_inside_its_range(project, pins):
    for requirement in requirements(project):
        if requirement.name in UNPINNED:
            continue
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} excludes {pin}"


def test_extras_are_the_promised_ones(project):
    promised = {
        "runtime",
        "adapters",
        "smt",
        "gpu",
        "conformance",
        "demo",
        "dev",
        "measure",
        "plot",
        "probe",
        "registry",
    }
    assert set(project["optional-dependencies"]) == promised


def imported(folder):
    """Distributions that the modules below a folder import, at the top or inside functions."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    tops = {name.partition(".")[0] for name in names} - PACKAGES - sys.stdlib_module_names
    known = packages_distributions()
    found = {canonicalize_name(name) for top in tops for name in known.get(top, [top])}
    # The compiled half of pydantic, which pins it exactly.
    return found - {"pydantic-core"}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_package_imports_only_declared_distributions(project, repository, package):
    assert imported(repository / package) <= {line.name for line in requirements(project)}


def test_light_core_is_exactly_what_acp_and_the_verifier_import(project, repository):
    needed = imported(repository / "acp") | imported(repository / "cep" / "verify")
    extras = project["optional-dependencies"]
    optional = {Requirement(line).name for extra in ("plot", "registry") for line in extras[extra]}
    assert needed - optional == {Requirement(line).name for line in project["dependencies"]}


def declared(project):
    yield from (("scripts", name, target) for name, target in project["scripts"].items())
    for group, entries in project["entry-points"].items():
        yield from ((group, name, target) for name, target in entries.items())


def test_every_entry_point_loads(project):
    for group, name, target in declared(project):
        module, _, attribute = target.partition(":")
        assert hasattr(importlib.import_module(module), attribute), f"{group}: {name} = {target}"


def test_installed_entry_points_are_the_declared_ones(project):
    """Fails when pyproject.toml has changed since `pip install -e`."""
    for group, name, target in declared(project):
        installed = entry_points(group="console_scripts" if group == "scripts" else group)
        assert installed[name].value == target


def test_installed_version_is_the_declared_one(project):
    assert version(project["name"]) == project["version"]
