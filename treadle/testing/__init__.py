"""Loaded as a pytest plugin: the fixture `run`, and the tests that stand in the files of plugins.

`conftest.py` beside server.py loads it, and so does `python server.py test`; elsewhere it is `-p treadle.testing`.
"""

from __future__ import annotations

from .collect import pytest_collect_file, pytest_pycollect_makemodule
from .player import Played, Player, run

__all__ = ["Played", "Player", "pytest_collect_file", "pytest_pycollect_makemodule", "run"]
