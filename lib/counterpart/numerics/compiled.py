"""Machine code from Python functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use; keep the machine code where Numba finds a folder of the user's own, else not at all.

    Numba looks in NUMBA_CACHE_DIR, beside the source, then in the user's cache folder. A folder that others can write
    to would let them plant code, so there is no fallback to the temporary directory.
    """
    return _compiled(function)


def compiled_in_place(function: Callable[..., Any]) -> Any:
    """As `compiled`, set into its callers: for steps so small that a call, with its arrays counted, costs more."""
    return _compiled(function, forceinline=True)


def compiled_inexact(function: Callable[..., Any]) -> Any:
    """As `compiled`, and sums may be reordered: for floats that only rank, never for a number that decides."""
    # Infinities keep their meaning: they stand where nothing was found yet.
    return _compiled(function, fastmath={"nnan", "nsz", "reassoc", "contract"})


@contextmanager
def announcing_compilation(tell: Callable[[str], None]) -> Iterator[None]:
    """In this block, say once that machine code is being made, if any is: silence looks like a hang."""
    with event.install_listener("numba:compile", _Telling(tell)):
        yield


class _Telling(event.Listener):
    """Says at the first compilation what it is."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._is_told = False

    def on_start(self, _event: event.Event) -> None:
        if not self._is_told:
            self._is_told = True
            self._tell("compiling the matching code: about 15 seconds, once if the result can be cached")

    def on_end(self, _event: event.Event) -> None:
        pass


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    try:
        machine_code = njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": an account without a home, an installation that cannot be written
        return njit(**options)(function)
    forget_older(Path(machine_code.stats.cache_path), Path(__file__).parent)
    return machine_code


@cache
def forget_older(kept: Path, sources: Path) -> None:
    """Remove machine code in the folder `kept` that is older than any of the sources.

    Numba asks whether the file of a function has changed, never those of the functions it calls: code of an older
    version would go on deciding pairs. Without its index a function is compiled again.
    """
    # From a zip there are no files to ask.
    newest = max((file.stat().st_mtime_ns for file in sources.glob("*.py")), default=0)
    for index in kept.glob("*.nbi"):
        # Another process may be at the same.
        with suppress(FileNotFoundError):
            if index.stat().st_mtime_ns < newest:
                index.unlink()
