"""How kernel functions run: compiled by numba, without the interpreter's lock, where MES_SOLVER_COMPILED is set.

Functions pass blocks of int64 (see `layout`) as bare pointers: numba's own arrays are counted at every call, which took
three quarters of the time of a decoder that only reads and writes numbers. So functions that Python calls are `entry`s:
they hand on the pointers of their arrays. Where the variable is not set, the same functions run in the interpreter on
lists, a hundred times slower and with the same results: so a plan never waits for a compiler.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from importlib import import_module
from inspect import signature
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import numpy as np

from services.scheduling.solver.kernel import COMPILED

_F = TypeVar("_F", bound=Callable[..., Any])
COMPILES = bool(os.environ.get(COMPILED))
"""Whether functions are compiled in this process."""


def _interpreted(function: _F, names: list[str], arrays: set[str]) -> _F:
    @wraps(function)
    def run(*arguments: Any) -> Any:
        lists = [each.tolist() if name in arrays else each for name, each in zip(names, arguments, strict=True)]
        answer = function(*lists)
        for name, array, changed in zip(names, arguments, lists, strict=True):
            if name in arrays:
                array[:] = np.array(changed, array.dtype)
        return answer

    return run  # type: ignore[return-value]


def _arrays(function: Callable[..., Any]) -> tuple[list[str], set[str]]:
    """(names of all parameters, those that are arrays)."""
    names = list(signature(function).parameters)
    return names, {name for name in names if function.__annotations__[name] in ("Ints", "Floats")}


if COMPILES:
    from platformdirs import user_cache_path

    # Half of numba has types that do not fit how it is used.
    numba: Any = import_module("numba")
    intrinsic: Any = import_module("numba.extending").intrinsic
    make_array: Any = import_module("numba.np.arrayobj").make_array

    def _digest() -> str:
        """Of all kernel sources: numba itself would not notice a change in a function called from another file."""
        made = blake2b(numba.__version__.encode(), digest_size=8)
        for source in sorted(Path(__file__).parent.glob("*.py")):
            made.update(source.read_bytes())
        return made.hexdigest()

    def _cache() -> Path:
        """Below NUMBA_CACHE_DIR if that is set, else in the user's cache; if neither can be written, a new one."""
        name = f"solver-{_digest()}"
        try:
            found = Path(numba.config.CACHE_DIR or user_cache_path("lingnan-mes")) / name
            found.mkdir(parents=True, exist_ok=True)
            if os.access(found, os.W_OK):
                return found
        except OSError:
            pass
        return Path(mkdtemp(prefix="lingnan-mes-"))

    numba.config.CACHE_DIR = str(_cache())

    def compiled(function: _F) -> _F:
        """Compile on first use; numbers and pointers only."""
        made: _F = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")(function)
        return made

    @intrinsic
    def _pointer(_typing, array):  # type: ignore[no-untyped-def]
        """Where the content of an array begins."""

        def generate(context, builder, sig, arguments):  # type: ignore[no-untyped-def]
            return make_array(sig.args[0])(context, builder, arguments[0]).data

        return numba.types.CPointer(array.dtype)(array), generate

    def entry(function: _F) -> _F:
        """Compile a function that Python calls; its arrays are one-dimensional, contiguous and written in place.

        In it they are pointers: their length is not known there.
        """
        names, arrays = _arrays(function)
        handed = ", ".join(f"_pointer({name})" if name in arrays else name for name in names)
        scope = {"inner": compiled(function), "_pointer": _pointer}
        exec(f"def outer({', '.join(names)}):\n    return inner({handed})\n", scope)  # noqa: S102 - names of our own
        made: _F = numba.njit(nogil=True)(scope["outer"])
        return made

else:

    def compiled(function: _F) -> _F:
        """Leave it to the interpreter."""
        return function

    def entry(function: _F) -> _F:
        """Run in the interpreter on lists, and write back what changed."""
        return _interpreted(function, *_arrays(function))
