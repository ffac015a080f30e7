"""`make mutants [ARGS="i3 i16"]`: each gating invariant fails against a version that was broken on purpose.

A mutant is one replacement in one file. It is made in a copy of the tree, and the test that carries the invariant's
number must fail there. Prints one line a mutant; exits 1 if a mutant survived.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Mutant:
    """One way to break an invariant. `before` stands exactly once in `file`."""

    invariant: str
    what: str
    file: str
    before: str
    after: str


MUTANTS: list[Mutant] = [
    Mutant("I3", "the piece that follows the last one drawn is left out", "treadle/web/viewport.py",
           "after=live.fed)", "after=live.fed + 1)"),
    Mutant("I4", "a stream begins at what is newest instead of at the page's cursor", "treadle/web/viewport.py",
           "return Position(int(rev), int(rev)) if int(rev) <= self._feed.rev else NOTHING", "return self.now()"),
    Mutant("I7", "a stream that resumes begins one change too late", "treadle/web/viewport.py",
           "return Position(int(rev), int(rev)) if", "return Position(int(rev) + 1, int(rev) + 1) if"),
    Mutant("I11", "the settled row wipes its text, which comes back a moment later", "treadle/web/components/shell.py",
           '"morphSkipChildren": ".msg > .body, .msg .plain-text"', '"morphSkipChildren": ".nothing"'),
    Mutant("I16", "what happens after a reply is awaited before its end", "treadle/replies.py",
           '            state = "done"\n',
           '            for hook in self.after_reply:\n                await hook(reply)\n'
           '            state = "done"\n'),
    Mutant("I20", "two replies may be active in one conversation", "treadle/schema.sql",
           "CREATE UNIQUE INDEX one_active_reply", "CREATE INDEX one_active_reply"),
    Mutant("I25", "a page drawn during a reply lacks what has come of it", "treadle/web/viewport.py",
           "return str(MessageRow(row, live.body, live.thinking))", 'return str(MessageRow(row, "", live.thinking))'),
    Mutant("I31", "a browser may hold as many streams as it has windows", "treadle/web/slots.py",
           "STREAMS_PER_BROWSER = 4", "STREAMS_PER_BROWSER = 40"),
    Mutant("I34", "a frame too large for a slow viewer is cut off", "treadle/web/delivery.py",
           "for start in range(0, len(data), SLICE):", "for start in range(0, min(len(data), SLICE), SLICE):"),
    Mutant("I43", "Stop settles the reply and lets the model talk on", "treadle/replies.py",
           '        self._settle(live, "stopped")\n        if live.task is not None:\n',
           '        self._settle(live, "stopped")\n        if False:\n'),
    Mutant("I44", "Stop forgets what had come since the last flush", "treadle/replies.py",
           "rest=live.text.rest()", 'rest=""'),
    Mutant("I56", "a restart leaves a reply as being written", "treadle/conversation.py",
           '            self.settle(row["id"], "interrupted")\n', "            pass\n"),
]


def tree(folder: Path) -> None:
    """A copy of the files git knows or would add, as they are now."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True,
                           check=True)
    for name in names.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def killed(mutant: Mutant, folder: Path) -> bool:
    """Whether a test of the invariant fails with the mutant in place. Raises if the mutant or its test is missing."""
    file = folder / mutant.file
    whole = file.read_text()
    if whole.count(mutant.before) != 1:
        found = whole.count(mutant.before)
        raise SystemExit(f"{mutant.invariant}: {mutant.file} holds the text of the mutant {found} times")
    file.write_text(whole.replace(mutant.before, mutant.after))
    try:
        run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k",
                              f"test_{mutant.invariant.lower()}_"], cwd=folder, capture_output=True, text=True,
                             timeout=600, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    finally:
        file.write_text(whole)
    if run.returncode not in (0, 1):
        said = run.stdout[-2000:] + run.stderr[-2000:]
        raise SystemExit(f"{mutant.invariant}: pytest ended with {run.returncode}\n{said}")
    return run.returncode == 1


def main(wanted: list[str]) -> int:
    """Try every mutant, or those of the named invariants."""
    survived = 0
    with tempfile.TemporaryDirectory() as name:
        tree(Path(name))
        for mutant in MUTANTS:
            if wanted and mutant.invariant.lower() not in wanted:
                continue
            dead = killed(mutant, Path(name))
            survived += not dead
            print(f"{mutant.invariant:4} {'failed, as it must' if dead else 'SURVIVED'}: {mutant.what}", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main([word.lower() for word in sys.argv[1:]]))
