"""What the shipped plugins cost at the start: nothing that is needed only when one of them runs."""

from __future__ import annotations

import json
import subprocess
import sys

from treadle.config import ROOT

LOADS = """
import json, sys
import server, treadle.core, treadle.web.app
from treadle.config import Settings
from treadle.plugins.registry import Plugins
before = set(sys.modules)
plugins = Plugins(Settings())
plugins.load()
broken = [found.endpoint for found in plugins.all() if found.kind == "broken"]
print(json.dumps([broken, len(plugins.all()), sorted(set(sys.modules) - before), sorted(sys.modules)]))
"""
COSTLY = {"httpx", "httpcore", "bs4", "pydantic", "pydantic_core", "annotated_types", "ollama", "nh3", "pygments",
          "sqlite_utils", "openpyxl", "pandas", "numpy", "matplotlib", "plotly", "altair", "rich", "dask",
          "distributed", "PIL", "fasthtml.common", "zipfile", "multiprocessing", "concurrent.futures.process"}


def test_loading_all_shipped_plugins_imports_nothing_costly():
    done = subprocess.run([sys.executable, "-c", LOADS], cwd=ROOT, capture_output=True, text=True, check=True)
    broken, count, imported, loaded = json.loads(done.stdout)
    assert broken == [] and count >= 12
    assert COSTLY.isdisjoint(imported), COSTLY & set(imported)
    needed_to_serve = {"fasthtml.common", "zipfile", "multiprocessing", "concurrent.futures.process"}
    assert (COSTLY - needed_to_serve).isdisjoint(loaded), COSTLY & set(loaded)
