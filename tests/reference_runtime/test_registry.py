from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from reference_runtime.adapter import ABI, AdapterError
from reference_runtime.host import HostAdapter
from reference_runtime.registry import (
    InstalledAdapter,
    StackMissingError,
    activate,
    installed,
    load,
    load_all,
    normalised,
    select,
)


class Toy(HostAdapter):
    name = "toy"


class OldToy(Toy):
    abi = ABI - 1


class BrokenToy(Toy):
    def __init__(self):
        raise OSError("no such device")


class StacklessToy(Toy):
    def __init__(self):
        import a_package_that_is_not_installed  # noqa: F401


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """The toys as a module that entry points can name."""
    monkeypatch.setitem(sys.modules, "toys", sys.modules[__name__])


def found(name, attribute, distribution="toy-stack"):
    point = EntryPoint(name=name, value=f"toys:{attribute}", group="cep.adapters.v1")
    return InstalledAdapter(name, distribution, "1.0", point)


TWO = (found("toy", "Toy"), found("toy", "Toy", "other-stack"))

REFUSALS = {
    "not installed": ((), {"toy-stack"}, "RUN-A2", "no adapter 'toy' is installed"),
    "not allowed": (TWO[:1], {"acp-cep"}, "RUN-A1", "toy-stack, which the policy does not allow"),
    "nothing is allowed": (TWO[:1], set(), "RUN-A1", "allowed are: none"),
    "there twice": (TWO, {"toy-stack", "other-stack"}, "RUN-A2", "other-stack and toy-stack"),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_selection_is_refused(case):
    adapters, allowed, code, message = REFUSALS[case]
    adapters = sorted(adapters, key=lambda a: a.distribution)
    with pytest.raises(AdapterError) as refusal:
        select(adapters, "toy", allowed=allowed)
    assert refusal.value.diagnostics[0].code == code
    assert message in refusal.value.diagnostics[0].message


def test_a_second_adapter_of_the_name_that_is_not_allowed_does_not_matter():
    assert select(TWO, "toy", allowed={"Toy_Stack"}) is TWO[0]


UNFIT = {
    "OldToy": (AdapterError, f"written for ABI {ABI - 1}"),
    "BrokenToy": (AdapterError, "OSError: no such device"),
    "StacklessToy": (StackMissingError, "a_package_that_is_not_installed"),
    "NoSuchToy": (AdapterError, "AttributeError"),
}


@pytest.mark.parametrize("attribute", UNFIT)
def test_an_unfit_adapter_is_refused(attribute):
    kind, message = UNFIT[attribute]
    with pytest.raises(AdapterError) as refusal:
        activate(found("toy", attribute))
    assert type(refusal.value) is kind
    assert refusal.value.diagnostics[0].code == "RUN-A2"
    assert message in refusal.value.diagnostics[0].message


def test_an_adapter_that_calls_itself_otherwise_is_refused():
    with pytest.raises(AdapterError, match="calls itself 'toy'"):
        activate(found("doll", "Toy"))


def test_an_allowed_adapter_is_loaded():
    assert type(activate(found("toy", "Toy"))) is Toy


def test_nothing_is_imported_from_a_distribution_that_is_not_allowed():
    with pytest.raises(AdapterError, match="RUN-A1"):
        load("torch-cpu", allowed=["somebody-elses"])
    assert load_all(allowed=[]) == {}


def test_the_bundled_adapters_are_installed():
    bundled = {a.name for a in installed() if a.distribution == "acp-cep"}
    assert bundled == {"torch-cpu", "onnxruntime-cpu", "openvino-cpu"}


@pytest.mark.parametrize("name", ["ACP_CEP", "acp.cep", "acp--cep"])
def test_distribution_names_are_compared_as_pep_503_says(name):
    assert normalised(name) == "acp-cep"
