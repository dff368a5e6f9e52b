"""The error function in f64, for array namespaces that have none.

The rational approximations are those of FDLIBM's ``s_erf.c`` (Sun Microsystems, 1993); each is
evaluated everywhere, on arguments brought into its interval, and the fitting one is chosen.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

_SMALL: Final = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
     -5.77027029648944159157e-03, -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
_NEAR_ONE: Final = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
     3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
     -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
_MIDDLE: Final = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
     -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
     -8.12874355063065934246e+01, -9.81432934416914548592e+00),
    (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
     6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
     6.57024977031928170135e+00, -6.04244152148580987438e-02),
)  # fmt: skip
_LARGE: Final = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
     -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
     -4.83519191608651397019e+02),
    (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
     3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
     -2.24409524465858183362e+01),
)  # fmt: skip
_AT_ONE: Final = 8.45062911510467529297e-01
_BOUNDS: Final = (0.84375, 1.25, 1 / 0.35, 6.0)


def _ratio(x: Any, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    above, below = (
        reduce(lambda value, c: value * x + c, reversed(p), x * 0.0) for p in polynomials
    )
    return above / below


def erf(xp: Any, x: Any) -> Any:
    """Return the error function of f64 values, within 2 units in the last place."""
    size = xp.abs(x)
    small, one, middle, large = _BOUNDS
    tiny = xp.where(size < small, x, 0.0)
    near = xp.where((size >= small) & (size < one), size, 1.0) - 1.0
    far = xp.where((size >= one) & (size < large), size, one)
    inverse = 1.0 / (far * far)
    tail = xp.where(far < middle, _ratio(inverse, _MIDDLE), _ratio(inverse, _LARGE))
    rest = xp.exp(-far * far - 0.5625 + tail) / far
    positive = xp.where(
        size < one, _AT_ONE + _ratio(near, _NEAR_ONE), xp.where(size < large, 1.0 - rest, 1.0)
    )
    result = xp.where(
        size < small, tiny + tiny * _ratio(tiny * tiny, _SMALL), xp.sign(x) * positive
    )
    return xp.where(xp.isnan(x), x, result)
