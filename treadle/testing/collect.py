"""Tests in the files of plugins, found by pytest. A plugin is imported as Treadle does it, with its helpers."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from ..config import Settings
from ..plugins.code import read

HELPERS = ("_", ".", "xx_", "test_", "conftest")  # how the names begin of files that are no plugin


def is_plugin(path: Path) -> bool:
    """Whether a file is a plugin: in the folder of plugins, or beside a number in its name anywhere."""
    if path.suffix != ".py" or path.name.startswith(HELPERS):
        return False
    settings = Settings().with_plugins(os.environ.get("TREADLE_PLUGINS", ""))
    return path.parent in (settings.plugins, *settings.more_plugins) or path.name.partition("_")[0].isdecimal()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Look into a plugin that declares tests. One that was named on the command line pytest takes itself."""
    if is_plugin(file_path) and not parent.session.isinitpath(file_path) and b"def test_" in file_path.read_bytes():
        return _module(file_path, parent)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The module of a plugin that was named on the command line."""
    return _module(module_path, parent) if is_plugin(module_path) else None


def _module(path: Path, parent: pytest.Collector) -> pytest.Collector:
    module: pytest.Collector = PluginModule.from_parent(parent, path=path)
    return module


class PluginModule(pytest.Module):
    """A plugin as a module of tests."""

    def _getobj(self) -> ModuleType:
        text = self.path.read_bytes()
        try:
            module = importlib.import_module(read(self.path, text).name)
        except Exception as error:
            raise self.CollectError(f"{self.path.name} does not load: {type(error).__name__}: {error}") from error
        _explain(module, text, self.path, self.config)
        return module


def _explain(module: ModuleType, text: bytes, path: Path, config: pytest.Config) -> None:
    """Let the asserts of its tests say what they compared, as pytest does in files it imports itself."""
    try:
        from _pytest.assertion.rewrite import rewrite_asserts
    except ImportError:  # it is an inner part of pytest: without it a bare assert is bare
        return
    tree = ast.parse(text)
    rewrite_asserts(tree, text, str(path), config)
    compiled = compile(tree, str(path), "exec", dont_inherit=True)
    codes = {code.co_name: code for code in compiled.co_consts if isinstance(code, CodeType)}
    helpers = [node for node in tree.body if isinstance(node, ast.Import) and str(node.names[0].asname).startswith("@")]
    exec(compile(ast.Module([*helpers], []), str(path), "exec", dont_inherit=True), module.__dict__)
    functions: dict[str, Any] = vars(module)
    for name, value in functions.items():
        if name.startswith("test_") and isinstance(value, FunctionType) and name in codes and not value.__closure__:
            value.__code__ = codes[name]
