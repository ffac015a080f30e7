"""The examples of the documentation run, and say what they say they say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.docs.blocks import outcomes, plugins, save
from treadle.config import Settings
from treadle.plugins.checking import check
from treadle.plugins.registry import Plugins

EXAMPLES = [block for block in plugins() if not block.name.startswith("_")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Every example in a folder of its own; pytest has run them all, once, as `server.py test` would."""
    folder = tmp_path_factory.mktemp("examples")
    folders = {block.id: save(block, folder) for block in EXAMPLES}
    return folders, outcomes(folder)


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.id)
def test_an_example_loads_and_its_tests_pass(saved, block, tmp_path):
    folders, results = saved
    folder = folders[block.id]
    assert check(Plugins(replace(Settings(), plugins=folder, data=tmp_path))) == []
    ended = results.get(folder.name, [])
    if failed := [f"{name}: {why}" for name, why in ended if why]:
        pytest.fail("\n\n".join(failed), pytrace=False)
    assert len(ended) == block.code.count("\ndef test_")
