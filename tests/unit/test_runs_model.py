"""Random workflows, answers, reverts, undos and forks against a simple model; and kills between any two commits.

The model knows what counts, what was counted before, and nothing of rows.
"""

from __future__ import annotations

import asyncio
import copy
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.harness import soak
from tests.parts import Given, Killed, Parts, parts, values
from treadle.errors import Conflict
from treadle.replay import Drawing


class Node(NamedTuple):
    """One call of a workflow. `of`: labels of earlier ones whose values it is given. `inner`: calls of a branch."""

    kind: str
    label: str
    of: tuple[str, ...] = ()
    inner: tuple[Node, ...] = ()


@st.composite
def programs(draw: Any) -> tuple[Node, ...]:
    """A workflow: a question first, then up to six calls, some in branches."""
    labels = [f"s{n}" for n in range(draw(st.integers(2, 7)))]

    def block(left: list[str], known: list[str]) -> tuple[Node, ...]:
        nodes = []
        while left:
            label = left.pop(0)
            kind = draw(st.sampled_from(["ask", "job", "each", "approve"])) if known else "ask"
            of = tuple(draw(st.lists(st.sampled_from(known), max_size=2, unique=True))) if known else ()
            nodes.append(Node(kind, label, of))
            known = [*known, label]
            if left and draw(st.booleans()):
                inner = [left.pop(0) for _ in range(draw(st.integers(1, len(left))))]
                nodes.append(Node("if", "", (draw(st.sampled_from(known)),), block(inner, known)))
        return tuple(nodes)

    return block(labels, [])


def acts(*kinds: str) -> Any:
    """What is done to a run, each with a number that says to what or with what."""
    return st.lists(st.tuples(st.sampled_from(["answer", "answer", "answer", *kinds]), st.integers(0, 5)), min_size=3,
                    max_size=12)


class World:
    """What functions of the workflow do: they count how often they were run, and tell it when `counting`."""

    def __init__(self, *, counting: bool) -> None:
        self.counting = counting
        self.runs: dict[Any, int] = {}

    def run(self, name: Any, value: int) -> int:
        self.runs[name] = self.runs.get(name, 0) + 1
        return value + (100 * self.runs[name] if self.counting else 0)

    async def job(self, label: str, args: list[int]) -> int:
        await asyncio.sleep(0)
        return self.run((label, *args), sum(args) + 1)

    async def item(self, item: int, label: str = "", by: int = 0) -> int:
        await asyncio.sleep(0)
        return self.run((label, by, item), item + by)


def flow_of(program: tuple[Node, ...], world: World) -> Any:
    """The workflow itself, as an author would write it."""
    async def block(ui: Any, nodes: tuple[Node, ...], known: dict[str, int]) -> None:
        for node in nodes:
            args = [known[label] for label in node.of if label in known]
            if node.kind == "if":
                if args and args[0] % 2:
                    await block(ui, node.inner, known)
            elif node.kind == "ask":
                known[node.label] = await ui.ask(node.label, int)
            elif node.kind == "approve":
                known[node.label] = int(await ui.approve(node.label, f"{args}"))
            elif node.kind == "job":
                known[node.label] = await ui.job(node.label, world.job, node.label, args)
            else:
                item = partial(world.item, label=node.label, by=sum(args[1:]))
                known[node.label] = sum(await ui.each(node.label, range(sum(args[:1]) % 4), item, workers=2))

    async def flow(ui: Any) -> Any:
        known: dict[str, int] = {}
        await block(ui, program, known)
        return known

    return flow


class Entry(NamedTuple):
    """What counts of one step. `digest`: what it was called with."""

    value: Any
    digest: Any


class Model:
    """What a run is, without rows."""

    def __init__(self, program: tuple[Node, ...], world: World) -> None:
        self.program, self.world = program, world
        self.live: dict[str, Entry] = {}
        self.last: dict[str, Any] = {}       # what was typed last: the default
        self.done: dict[str, list[Entry]] = {}  # results of jobs that can be used again, the latest last
        self.items: dict[str, dict[Any, int]] = {}  # and of items
        self.before: dict[str, Entry] | None = None  # what Undo brings back
        self.drawn: list[str] = []
        self.open = ""
        self.kind = ""

    def play(self) -> None:
        """Go on to the next question: jobs are run, or their results used again."""
        self.drawn, self.open, self.kind = [], "", ""
        self.known: dict[str, int] = {}
        self._block(self.program)

    def _block(self, nodes: tuple[Node, ...]) -> bool:
        for node in nodes:
            args = [self.known[label] for label in node.of if label in self.known]
            if node.kind == "if":
                if args and args[0] % 2 and not self._block(node.inner):
                    return False
                continue
            digest = str(args) if node.kind == "approve" else tuple(args) if node.kind == "job" else (
                (sum(args[:1]) % 4, sum(args[1:])) if node.kind == "each" else None)
            entry = self.live.get(node.label)
            if entry is None or entry.digest != digest:
                if node.kind in ("ask", "approve"):
                    self.live.pop(node.label, None)
                    self.open, self.kind = node.label, node.kind
                    self.digest = digest
                    return False
                entry = self._run(node, digest, args)
            self.live[node.label] = entry
            self.drawn.append(node.label)
            value = entry.value
            self.known[node.label] = sum(value) if isinstance(value, list) else int(value)
        return True

    def _run(self, node: Node, digest: Any, args: list[int]) -> Entry:
        if (old := self.live.pop(node.label, None)) is not None:
            self._retire(node.label, old)
        for n, entry in reversed(list(enumerate(self.done.get(node.label, [])))):
            if entry.digest == digest:
                del self.done[node.label][n]
                return entry
        if node.kind == "job":
            return Entry(self.world.run((node.label, *args), sum(args) + 1), digest)
        count, by = digest
        known = self.items.setdefault(node.label, {})
        for item in range(count):
            if (by, item) not in known:
                known[by, item] = self.world.run((node.label, by, item), item + by)
        return Entry([known[by, item] for item in range(count)], digest)

    def _retire(self, label: str, entry: Entry) -> None:
        if entry.digest is not None and not isinstance(entry.digest, str):
            self.done.setdefault(label, []).append(entry)
            if isinstance(entry.value, list):
                count, by = entry.digest
                self.items.setdefault(label, {}).update({(by, item): entry.value[item] for item in range(count)})

    def answer(self, value: Any) -> None:
        self.live[self.open] = Entry(value, self.digest)
        self.last[self.open] = value
        self.before = None
        self.play()

    def revert(self, label: str) -> None:
        if self.before is None:
            self.before = dict(self.live)
        for name in self.drawn[self.drawn.index(label):]:
            self._retire(name, self.live.pop(name))
        self._again(label)
        self.play()

    def _again(self, label: str) -> None:
        """Whoever goes back to a job wants it run again."""
        if label in self.done:
            self.done[label], self.items[label] = [], {}

    def fork(self, label: str) -> None:
        for name in self.drawn[self.drawn.index(label):]:
            self._retire(name, self.live.pop(name))
        self._again(label)
        self.before = None
        self.play()

    def undo(self) -> bool:
        if self.before is None:
            return False
        for name in list(self.live):
            if self.live[name] is not self.before.get(name):
                self._retire(name, self.live.pop(name))
        for name, entry in self.before.items():
            self.done[name] = [each for each in self.done.get(name, []) if each is not entry]
        self.live, self.before = dict(self.before), None
        self.play()
        return True


def agree(model: Model, drawing: Drawing, live: dict[str, Any]) -> None:
    """The run and the model are at the same place, with the same values."""
    assert live == {label: model.live[label].value for label in model.drawn}
    assert (drawing.open.label if drawing.open else "") == model.open
    if drawing.open is not None:
        assert drawing.open.default == model.last.get(model.open)
    assert drawing.finished == (not model.open)


async def act(server: Parts, model: Model, key: str, what: str, number: int) -> str:
    """The same to the model and to the run. The run that is gone on with."""
    if what == "answer" and model.open:
        value = number if model.kind == "ask" else number % 2 == 0
        slug, sent = model.open, value if model.kind == "ask" else "yes" if value else "no"
        model.answer(value)
        await server.answer(key, sent, slug)
    elif what == "revert" and model.drawn:
        label = model.drawn[number % len(model.drawn)]
        model.revert(label)
        await server.revert(key, label)
    elif what == "fork" and model.drawn:
        label = model.drawn[number % len(model.drawn)]
        model.fork(label)
        return (await server.archive.fork(key, label)).key
    elif what == "undo":
        if model.undo():
            await server.undo(key)
        else:
            with pytest.raises(Conflict):
                await server.undo(key)
    return key


@example((Node("ask", "s0", (), ()), Node("job", "s1", (), ())),  # what counted last is used again, not what came last
         [("revert", 1), ("undo", 0), ("fork", 0), ("answer", 0)])
@settings(max_examples=soak(40, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(), acts("revert", "undo", "fork"))
def test_a_run_is_what_a_simple_model_says_and_runs_what_it_says(program, todo):
    async def play() -> None:
        world, modelled = World(counting=True), World(counting=True)
        with tempfile.TemporaryDirectory() as folder:
            async with parts(Path(folder), Given(flow_of(program, world)), twice=False) as server:
                model = Model(program, modelled)
                model.play()
                key = await server.begin("flow", todo[0][1])
                model.answer(todo[0][1])
                for what, number in todo:
                    key = await act(server, model, key, what, number)
                    view = await server.settled(key)
                    agree(model, view.drawing, values(view))
                    assert world.runs == modelled.runs

    asyncio.run(play())


@settings(max_examples=soak(40, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(), acts("revert", "undo"), st.lists(st.integers(1, 16), min_size=1, max_size=2))
def test_killed_between_any_two_commits_a_run_goes_on_where_it_was(program, todo, deaths):
    """Of what was under way at a kill, all has happened or nothing. What ran runs again, and nothing else does."""
    async def play() -> None:
        world = World(counting=False)
        left = [number / 2 for number in deaths]
        with tempfile.TemporaryDirectory() as folder:
            given_ = Given(flow_of(program, world))
            async with parts(Path(folder), given_, twice=False) as server:
                key = await server.begin("flow", todo[0][1])
            model = Model(program, World(counting=False))
            model.play()
            model.answer(todo[0][1])
            killed, left_to_do = 0, list(todo)
            while left_to_do:
                try:
                    async with parts(Path(folder), given_, twice=False) as server:
                        server.db.die_at = server.db.commits + left.pop() if left else float("inf")
                        while left_to_do:
                            before = copy.deepcopy(model)
                            await act(server, model, key, *left_to_do.pop(0))
                            agree(model, (await server.settled(key)).drawing, values(await server.settled(key)))
                except Killed:
                    killed += 1
                    async with parts(Path(folder), given_, twice=False) as server:
                        view = await server.settled(key)
                        undo = server.db.first("SELECT 1 FROM steps WHERE undo = 1") is not None
                        try:
                            agree(model, view.drawing, values(view))
                            assert undo == (model.before is not None)
                        except AssertionError:
                            agree(before, view.drawing, values(view))
                            assert undo == (before.before is not None)
                            model = before
            for name, count in world.runs.items():
                assert count <= model.world.runs.get(name, 0) + killed

    asyncio.run(play())


async def test_killed_at_each_commit_of_a_job_and_an_each_nothing_is_lost_and_little_runs_again(tmp_path):
    world = World(counting=False)
    program = (Node("ask", "n"), Node("job", "job", ("n",)), Node("each", "each", ("job",)), Node("ask", "end"))
    given_, at, killed = Given(flow_of(program, world)), 0.0, True
    while killed:
        at += 0.5
        (folder := tmp_path / str(at)).mkdir()
        world.runs.clear()
        async with parts(folder, given_, twice=False) as server:
            server.db.die_at = server.db.commits + at
            try:
                await server.begin("flow", 2)
                killed = False
            except Killed:
                pass
        async with parts(folder, given_, twice=False) as server:
            if (runs := server.runs.list()):  # else nobody was told that it had begun
                view = await server.settled(runs[0].key)
                assert values(view) == {"n": 2, "job": 3, "each": [0, 1, 2]} and view.drawing.open.label == "end"
                counts = list(world.runs.values())
                assert len(counts) == 4 and max(counts) <= 2
                assert sum(counts) <= 4 + 2 * killed  # at most as many again as there are workers
    assert at > 6
