"""A workflow whose jobs wait for files in a folder, which a test puts there."""

from __future__ import annotations

from pathlib import Path

PLUGIN = '''
import time
from pathlib import Path
from treadle import Progress, workflow

@workflow("Lab", message="Jobs.", steps=["Where", "Read", "Check", "Note"])
async def lab(ui):
    where = await ui.ask("Where", str)
    size = await ui.job("Read", read, where)
    links = await ui.each("Check", [f"{where}/{n}" for n in range(12)], check, name=lambda item: "L" + item[-2:])
    await ui.ask("Note", str)

def read(where: str, progress: Progress) -> dict:
    print("begun <b>")
    while not Path(where, "read").exists():
        progress(3, 50, "Reading <pages>")
        time.sleep(0.002)
    while Path(where, "deaf").exists():
        time.sleep(0.002)
    if Path(where, "bad").exists():
        raise ValueError("The <site> gave no answer")
    return {"pages": 50}

def check(item: str, progress: Progress) -> dict:
    where, _, n = item.rpartition("/")
    while int(n) >= 4 and not Path(where, "check").exists():
        progress(1)
        time.sleep(0.002)
    while n == "11" and Path(where, "slow").exists():
        progress(1)
        time.sleep(0.002)
    if n in ("5", "7") and not Path(where, "well").exists():
        raise ValueError(f"No answer <{n}>")
    return {"url": item, "status": 200 + int(n)}
'''


def lab_at(folder: Path) -> Path:
    """A folder of plugins with the lab in it. The answer to its question is the folder its jobs look into."""
    folder.mkdir()
    (folder / "010_lab.py").write_text(PLUGIN)
    return folder
