"""Breaking the service's own code on purpose: the text of a function is edited while the breakage is in force.

So a breakage stands as close to a slip of the hand as can be. An edit whose text is no longer there fails: then the code
has changed, and the breakage has to follow it.
"""

import inspect
import textwrap
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` stands exactly once in the text of `function`, and reads `new` instead."""

    function: Callable[..., Any]
    old: str
    new: str


@contextmanager
def edited(edits: Sequence[Edit]) -> Generator[None]:
    """With all of these for the block. Raises ValueError where a text to edit is not there, or is there twice."""
    with ExitStack() as stack:
        for function in {edit.function: None for edit in edits}:
            its_own = [edit for edit in edits if edit.function is function]
            stack.enter_context(_edited(cast("FunctionType", function), its_own))
        yield


@contextmanager
def _edited(function: FunctionType, edits: Sequence[Edit]) -> Generator[None]:
    text = textwrap.dedent(inspect.getsource(function))
    for edit in edits:
        if text.count(edit.old) != 1:
            raise ValueError(f"{function.__qualname__} has {edit.old!r} {text.count(edit.old)} times")
        text = text.replace(edit.old, edit.new)
    made: dict[str, Any] = {}
    exec(compile(text, f"<mutated {function.__qualname__}>", "exec"), function.__globals__, made)
    before = function.__code__
    function.__code__ = made[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = before
