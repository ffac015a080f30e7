"""One workflow, four ways: forms without a browser, the command line, JSON, tools. The same run is stored."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys

import httpx
import pytest
import uvicorn

from tests.browsing import fields, forms
from tests.fakes import Script
from tests.harness import free_port, same_origin, until
from tests.site import Site, running
from treadle.commands import settled
from treadle.config import ROOT, Settings
from treadle.conversation import Place
from treadle.core import Core
from treadle.drawing import WORKS
from treadle.web.app import create_app

LOG = "".join(f'1.2.3.4 - - [21/Nov/2026:12:00:00 +0000] "GET /p/{n}?sid={n % 7}&utm_source=x HTTP/1.1" 200 12\n'
              for n in range(40))
TABLE = "Name,Born\n Ada ,1815\nAda,1815\nGrace,1906\n"
MINE, THEIRS = "Keyword,Volume\nred shoes,100\nboots,50\n", "Keyword,Volume\nboots,60\nsandals,90\n"
LISTS = {"Other lists": 1, ("Export", 1): ("mine.csv", MINE), ("Export", 2): ("theirs.csv", THEIRS),
         "Compare by": "Keyword", "Priority": "Volume",
         "What makes two the same": "The text, in small letters"}
NETWORK = {"requests_a_second": 20, "private_networks": True}
BESIDE = {"spaces": "Trim spaces, and make one of several", "3": "2026-03"}  # texts of options that have another value
SAID = "A title\nFirst part\nSecond part"  # what the model says to everything

# Of every shipped workflow the answers, by label or by label and key; SITE is the address of the test site.
ANSWERS = {
    "introduction": {"Your name": "Ada", "What brings you here": "Look around", "Your decision": True,
                     "The assistant": False, "One step back": True},
    "hello": {"Your name": "Ada Löve", "Greeting": True},
    "site_crawl": {"Address": "SITE/list/9", "Limits": {"pages": 10, "depth": 2, **NETWORK}},
    "url_check": {"Source": "Paste a list", "URLs": "SITE/a\nSITE/old\nSITE/missing", "Manner": NETWORK},
    "url_counts": {"Source": "Upload a file", "URLs": ("urls.txt", "https://a.example/\nhttps://a.example/x?y=1\n"),
                   "Duplicates": "Count every line"},
    "parameter_buster": {"Log or list": ("access.log", LOG), "Block": ["sid"]},
    "content_gap": LISTS,
    "csv_cleaner": {"File": ("people.csv", TABLE), "Columns": ["Name"], "New names": None, "Fixes": ["spaces"],
                    "Duplicates": "Keep every row"},
    "field_gallery": {
        "Questions": ["Text", "Optional", "Long text", "Markdown", "With a check", "Number", "Slider", "Yes or no",
                      "Date", "Date and time", "Path", "Address", "Email", "Secret", "JSON", "One of a few", "Enum",
                      "Some of a few", "Options", "File", "Form", "Approval"],
        "Name": "Ada", "Nickname": None, "Note": "A line\nand another", "Comment": "*done*", "Even number": 4,
        "Seconds": 0.25, "Depth": 4, "Follow redirects": False, "From": "2026-11-18", "Not before": "2026-11-18T14:20",
        "Folder": "reports/old", "Page": "https://example.org/a", "Report to": "eve@example.org",
        "Password": "hunter2-secret", "Headers": {"accept": ["text/html", 1]}, "Match": "canonical", "Priority": "high",
        "Codes": ["200", "404"], "Month": 3, "Log": ("a.csv", "a,b\n1,2\n"), "Go": True,
        "Limits": {"pages": 20, "rate": 0.5, "robots": False, "hosts": ["shop"]}},
    "show_gallery": {"Shows": ["Markdown", "Table"]},
    "draft": {"Brief": {"subject": "Shoes", "what_must_be_in_it": "Heels.\nShort.", "readers": "All",
                        "length": "About 300 words"},
              "Outline": "Shoes\nFirst\nSecond", "Write this": True, "Section": "Some *text*."},
    "read_page": {"Page": {"address": "SITE/a", "private_networks": True}, ("Question", 1): "What is it?",
                  ("Question", 2): None},
}


def answer_to(endpoint, step):
    """What is answered to a question: by its label and key, else by its label."""
    known = ANSWERS[endpoint]
    found = next((value for label, value in known.items() if isinstance(label, tuple)
                  and (label[0], str(label[1])) == (step["label"], step["key"])), known.get(step["label"], ...))
    assert found is not ..., f"{endpoint} asks for {step['label']} ({step['key']}), and no answer is given here"
    return found


def texts_of(value):
    """What a person types or ticks for a value: the texts a form sends."""
    if isinstance(value, bool):
        return ["yes"] if value else []
    if isinstance(value, list):
        return [str(each) for each in value]
    return [json.dumps(value) if isinstance(value, dict) else "" if value is None else str(value)]


class Four:
    """The four ways into one core, which also listens on a real socket for the commands."""

    def __init__(self, core, site, folder):
        self.core, self.site, self.folder = core, site, folder
        self.address = f"http://127.0.0.1:{core.settings.port}"
        self.page = httpx.AsyncClient(base_url=self.address, headers=same_origin(self.address), trust_env=False,
                                      cookies={f"treadle-{core.settings.port}": core.folder.secret("token")})
        self.program = httpx.AsyncClient(base_url=self.address, trust_env=False, headers={
            "Authorization": f"Bearer {core.folder.secret('cli.token')}"})

    def value(self, endpoint, step):
        return self.placed(answer_to(endpoint, step))

    def placed(self, value):
        """An answer with the address of the site in it."""
        if isinstance(value, dict):
            return {name: self.placed(each) for name, each in value.items()}
        return value.replace("SITE", self.site.url) if isinstance(value, str) else value

    async def waits(self, key):
        """The open question of a run, when its jobs have ended; None at the end."""
        view = await settled(self.core.runs, self.core.feed, key)
        assert view.drawing.error is None, view.drawing.error
        return (await self.core.commands.read(key))["open"]

    async def forms(self, endpoint):
        """As a browser without JavaScript: the form of the page, filled in and sent."""
        path, step = f"/{endpoint}", (await self.core.commands.workflow(endpoint))["open"]
        while step is not None:
            page = await self.page.get(path)
            form = next(form for form in forms(page.text) if "/steps/" in form.attrs["action"]
                        or form.attrs["action"].startswith("/runs/new/"))
            value = self.value(endpoint, step)
            data, files = fields(form), None
            if step.get("field") == "form":
                data |= {f"value.{name}": texts_of(each) for name, each in value.items()}
            elif form.attrs.get("enctype") == "multipart/form-data":
                files = {"value": (value[0], value[1].encode())}
            elif step["kind"] == "approve":
                data["value"] = ["yes" if value else "no"]
            elif step["field"] == "yes_no":
                data["value"] = texts_of(bool(value))
            elif step["field"] in ("choice", "choices"):
                data = self._chosen(form, data | {"value": texts_of(value)})
            else:
                data["value"] = texts_of(value)
            answer = await self.page.post(form.attrs["action"], data=data, files=files)
            assert answer.status_code == 303, f"{endpoint}, {step['label']}: {answer.status_code} {answer.text[-900:]}"
            path = answer.headers["location"]
            step = await self.waits(path.rpartition("/")[2])
        return path.rpartition("/")[2]

    @staticmethod
    def _chosen(form, data):
        """What a control sends for a text that stands beside it."""
        beside = {node.attrs["value"].partition(":")[0]: node.attrs["value"] for node in form.walk()
                  if node.attrs.get("type") == "checkbox" and "value" in node.attrs}
        return data | {"value": [beside.get(text, BESIDE.get(text, text)) for text in data["value"]]}

    async def json(self, endpoint):
        """As a program: values as JSON has them."""
        step = (await self.program.get(f"/api/workflows/{endpoint}")).json()["open"]
        client_id, key = f"everywhere-{endpoint}", ""
        while step is not None:
            value, where = self.value(endpoint, step), f"runs/{key}" if key else f"workflows/{endpoint}"
            if isinstance(value, tuple):
                value = (await self.program.post(f"/api/{where}/files", content=value[1].encode(), params={
                    "name": value[0], "client_id": client_id})).json()
            url = f"/api/runs/{key}/answer" if key else f"/api/workflows/{endpoint}/runs"
            answer = await self.program.post(url, json={"value": value, **({} if key else {"client_id": client_id})})
            assert answer.status_code in (200, 201), answer.text
            key = answer.json()["run"]
            step = await self.waits(key)
        return key

    async def tools(self, endpoint):
        """As the model: the dispatcher, with what the schemas ask for."""
        step = (await self.core.commands.workflow(endpoint))["open"]
        client_id, key = f"tools-{endpoint}", ""
        while step is not None:
            value = self.value(endpoint, step)
            if isinstance(value, tuple):  # a person's file; a model has none
                async with self.core.commands.receive(key, endpoint, value[0], owner=key or f"new/{client_id}") as sink:
                    await sink.write(value[1].encode())
                value = {"file": sink.file.id}
            given = {"run": key, "answer": value} if key else {
                "workflow": endpoint, "answer": value, "client_id": client_id}
            called = await self.core.tools.call("answer_step" if key else "start_run", given, Place(), reading=False)
            assert "refused" not in called.text, called.text
            key = key or self.core.runs.list(endpoint)[0].key
            step = await self.waits(key)
        return key

    async def command(self, endpoint):
        """As a command beside the server: every answer as an argument, as one types it."""
        words = []
        for label, given in ANSWERS[endpoint].items():
            value = self.placed(given)
            name = f"{label[0]}[{label[1]}]" if isinstance(label, tuple) else label
            keyed = [name] if isinstance(label, tuple) else self.keys.get((endpoint, label), [name])
            for each in keyed:
                if isinstance(value, tuple):
                    (self.folder / value[0]).write_text(value[1])
                    words += ["--set-file", f"{each}={self.folder / value[0]}"]
                elif label in self.forms_of:
                    for part, inner in value.items():
                        words += ["--set", f"{each}.{part}={(texts_of(inner) or ['no'])[0]}"]
                else:
                    for text in texts_of(value) or ["no"]:
                        words += ["--set", f"{each}={text}"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "server.py"), "--data", str(self.core.settings.data), "run", endpoint, "--json",
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return json.loads(out)["run"]

    def stored(self, key):
        """What is in the rows of a run, its files by what is in them; in its order."""
        rows = self.core.db.rows("SELECT id, label, key, kind, value FROM steps WHERE run = ? AND state = 'done' "
                                 "ORDER BY position", (key,))
        found = []
        for row in rows:
            items = self.core.db.rows("SELECT state, value, error FROM items WHERE step = ? ORDER BY number",
                                      (row["id"],))
            own = None if items else row["value"]  # of an each it is a digest of what is in its items
            value = json.dumps([own, *(tuple(item) for item in items)])
            for file in self.core.db.rows("SELECT id, sha256 FROM files"):
                value = value.replace(file["id"], file["sha256"][:12])
            found.append((row["label"], row["key"], row["kind"], without_times(value)))
        return found


def without_times(value):
    """A stored value without how long something took, which is no part of what two runs have in common."""
    value = re.sub(r"secret-[\w-]+", "secret", value)
    return re.sub(r'\\"(?:seconds|ms|took)\\": ?[\d.]+', "", value)


class Quiet(uvicorn.Server):
    """uvicorn in a test: signals are pytest's."""

    def capture_signals(self):
        return contextlib.nullcontext()


@pytest.fixture
async def four(tmp_path, ollama):
    ollama.script = Script(text=SAID)
    settings = Settings(data=tmp_path / "data", open_browser=False, ollama_host=ollama.address, port=free_port())
    with running(Site()) as site:
        async with Core.open(settings) as core:
            await until(lambda: core.llm.status.ready)
            server = Quiet(uvicorn.Config(create_app(core), host="127.0.0.1", port=settings.port, http="h11", ws="none",
                                          lifespan="off", log_config=None, timeout_graceful_shutdown=1))
            serving = asyncio.create_task(server.serve())
            await until(lambda: server.started)
            core.folder.announce(address=f"http://127.0.0.1:{settings.port}", pid=os.getpid())
            ways = Four(core, site, tmp_path)
            yield ways
            await ways.page.aclose()
            await ways.program.aclose()
            server.should_exit = True
            await serving


def shipped():
    """The names of all workflows in plugins/."""
    from treadle.plugins.registry import Plugins

    plugins = Plugins(Settings())
    plugins.load()
    return {found.endpoint for found in plugins.all() if found.kind in ("workflow", "tool")}


def test_every_shipped_workflow_is_among_them():
    assert set(ANSWERS) == shipped()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what plugins keep for the next job
async def test_every_shipped_workflow_is_the_same_run_by_all_four_ways(four):
    for endpoint in ANSWERS:
        keys = {"forms": await four.forms(endpoint)}
        told = four.stored(keys["forms"])
        assert [kind for _, _, kind, _ in told if kind not in WORKS], endpoint
        # a command names each step that has a key
        four.keys, four.forms_of = {}, {label for label, _, kind, _ in told if kind == "form"}
        for label, key, kind, _ in told:
            if key and kind not in WORKS:
                four.keys.setdefault((endpoint, label), []).append(f"{label}[{key}]")
        keys |= {"json": await four.json(endpoint), "tools": await four.tools(endpoint),
                 "command": await four.command(endpoint)}
        for way, key in keys.items():
            assert four.core.runs.get(key).complete, f"{endpoint} by {way}"
            assert four.stored(key) == told, f"{endpoint} by {way}"
        by = {way: {row["by"] for row in four.core.db.rows("SELECT by FROM history WHERE run = ? AND by != 'job'",
                                                           (key,))}
              for way, key in keys.items()}
        assert by == {"forms": {"person"}, "json": {"command line"}, "tools": {"model"}, "command": {"command line"}}


