"""Modules that are imported when they are first used: every test process imports every test module."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class Lazy(ModuleType):
    """Stands for a module, which it imports when one of the module's attributes is read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest looks for several of these in whatever a test module imports
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def lazily(name: str) -> ModuleType:
    """A module whose code runs when one of its attributes is read."""
    return Lazy(name)
