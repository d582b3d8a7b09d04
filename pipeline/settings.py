"""What all settings files share: strict sections, and YAML without duplicate keys."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every part of the configuration: no unknown keys, no silent conversion, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DuplicateKeyError(ValueError):
    """A YAML mapping has the same key twice; plain YAML readers silently keep the last one."""

    def __init__(self, path: str) -> None:
        """`path`: the keys that lead to the duplicate, joined by dots."""
        super().__init__(f"duplicate key {path[:200]!r}")
        self.path = path


def parse_yaml(text: str) -> Any:
    """Read a YAML document. Raises DuplicateKeyError and yaml.YAMLError; RecursionError when it nests too deeply."""
    loader = yaml.SafeLoader(text)
    try:
        document = loader.get_single_node()
        if document is None:
            return None
        _check_keys(document, (), set())
        return loader.construct_document(document)
    finally:
        loader.dispose()


def _check_keys(node: yaml.Node, path: tuple[str, ...], seen: set[int]) -> None:
    """Refuse duplicates at any depth. Aliases share nodes, so each node is visited once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _check_keys(item, (*path, str(index)), seen)
    elif isinstance(node, yaml.MappingNode):
        _check_mapping(node, path, seen)


def _check_mapping(node: yaml.MappingNode, path: tuple[str, ...], seen: set[int]) -> None:
    keys = set()
    for key, value in node.value:
        inner = (*path, str(key.value))
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in keys:
                raise DuplicateKeyError(".".join(inner))
            keys.add((key.tag, key.value))
        _check_keys(value, inner, seen)
