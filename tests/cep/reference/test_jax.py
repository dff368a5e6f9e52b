"""The reference, over a second implementation of the array API: `jax.numpy`, with 64 bits."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from cep.capture.exported import capture
from cep.graph import GraphView
from cep.opset import OPERATIONS
from cep.reference import allowed_error, apply, evaluate
from cep.reference.evaluation import type_of
from tests.cep.capture.models import Attention, exported
from tests.cep.reference.opinfo import INFOS, cases

pytestmark = pytest.mark.xdist_group("opinfo")
jax = pytest.importorskip("jax", reason="JAX is in the extra dev")


FIRST = 60
"""Cases of an OpInfo among which one is looked for by default."""


@pytest.fixture(scope="module", autouse=True)
def wide():
    """Without it, JAX has no f64 and no i64."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", val=True)
    yield
    jax.config.update("jax_enable_x64", before)


def compiled(case):
    """The case's operation over `jax.numpy`, compiled whole."""

    @jax.jit
    def call(*operands):
        return apply(case.name, operands, case.attributes, jax.numpy)

    return call(*(jax.numpy.asarray(a) for a in case.operands))


def differences(found):
    """What JAX makes of the cases otherwise than NumPy does, beyond the error class."""
    for case in found:
        expected, made = apply(case.name, case.operands, case.attributes, np), compiled(case)
        bounds = allowed_error(np, case.name, case.operands, case.attributes, expected)
        for ours, theirs, bound in zip(expected, made, bounds, strict=True):
            other = np.asarray(theirs)
            if type_of(ours) != type_of(other):
                yield case.name, case.attributes, f"{type_of(other)}, not {type_of(ours)}"
                continue
            with np.errstate(all="ignore"):
                same = (ours == other) | (ours != ours) & (other != other)  # noqa: PLR0124
                if ours.dtype.kind == "f":
                    same |= np.abs(ours.astype(float) - other.astype(float)) <= bound
            if not same.all():
                yield case.name, case.attributes, ours[~same][:3], other[~same][:3]


@pytest.mark.slow
@pytest.mark.parametrize("info", INFOS)
def test_every_sample_is_the_same_over_jax(info):
    assert list(differences(cases(info))) == []


# XLA takes seconds to compile some operations.
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 7], ids=["all", "some"])
def test_each_operation_is_the_same_over_jax(every):
    chosen = {}
    for info in INFOS:
        for case in islice(cases(info), FIRST):
            if any(a.size for a in case.results):
                chosen.setdefault(case.name, case)
    assert set(chosen) == {o.name for o in OPERATIONS.values()}
    assert list(differences([chosen[name] for name in sorted(chosen)[::every]])) == []


def test_a_captured_model_is_the_same_compiled_by_jax():
    model, x = Attention(), torch.randn(3, 5, 8)
    captured = capture(exported(model, x, dynamic=(0,)))
    view = GraphView.of(captured.graph)
    (name,) = (binding.name for binding in view.inputs)
    state = {k: v.detach().numpy() for k, v in model.state_dict().items()}
    constants = {c.value: jax.numpy.asarray(state[c.key]) for c in captured.graph.constants}

    @jax.jit
    def call(given):
        (result,) = evaluate(view, {name: given}, constants, jax.numpy).values()
        return result

    for batch in (1, 3, 7):
        given = torch.randn(batch, 5, 8)
        result = np.asarray(call(jax.numpy.asarray(given.numpy())))
        np.testing.assert_allclose(result, model(given).detach().numpy(), rtol=1e-4, atol=1e-5)
