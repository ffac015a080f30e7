"""Runs are forked, compared, saved, opened, named, deleted and locked from the command line and over HTTP, too."""

# ruff: noqa: F811 - fixtures of other files

from __future__ import annotations

import json

from server import saved
from tests.http.test_api import begin, program, settings  # noqa: F401 - fixtures
from tests.http.test_command_line import shell  # noqa: F401 - a fixture
from treadle.cli import KEEPING, main


async def change(program, key, what, **body):
    return await program.post(f"/api/runs/{key}/{what}", json=body)


async def test_a_program_forks_compares_names_deletes_and_brings_back(program, core):
    key = (await begin(program))["run"]
    await program.post(f"/api/runs/{key}/answer", json={"value": "3"})
    fork = (await change(program, key, "fork", step="days")).json()
    assert fork["run"] == "default-trip-02" and fork["waiting_for"] == "Days"
    await program.post(f"/api/runs/{fork['run']}/answer", json={"value": "4"})
    found = (await program.get(f"/api/runs/compare?run={key}&run={fork['run']}")).json()
    assert [(step["label"], step["left"], step["right"], step["differs"]) for step in found["steps"]] == [
        ("Where", "Rome", "Rome", False), ("Days", 3, 4, True)]
    assert (await program.get(f"/api/runs/compare?run={key}")).status_code == 400
    assert (await change(program, key, "rename", title="Spring")).json()["title"] == "Spring"
    assert (await change(program, key, "rename", title="x" * 200)).status_code == 422
    assert (await change(program, key, "delete")).json() == {"run": key, "deleted": True}
    assert (await program.get(f"/api/runs/{key}")).status_code == 404
    assert (await change(program, key, "delete")).status_code == 404
    assert (await change(program, key, "restore")).json()["title"] == "Spring"
    told = [(line.what, line.by) for line in core.archive.history(key)]
    assert told[:3] == [("restored", "command line"), ("deleted", "command line"), ("renamed", "command line")]


async def test_a_program_saves_a_run_and_opens_it_again(program):
    key = (await begin(program))["run"]
    file = await program.get(f"/api/runs/{key}/file")
    assert file.status_code == 200 and "Rome" in file.text and file.text.startswith("<!doctype html>")
    brought = await program.post("/api/runs/import", content=file.content, headers={"Content-Type": "text/html"})
    assert brought.status_code == 201 and brought.json()["locked"] and brought.json()["run"] == "default-trip-02"
    refused = await program.post("/api/runs/import", content=b"<p>", headers={"Content-Type": "text/html"})
    assert refused.status_code == 422 and "holds no run" in refused.json()["error"]
    assert (await program.get("/api/runs/default-trip-09/file")).status_code == 404


def test_the_command_line_does_the_same_with_a_folder_nobody_serves(shell, capsys):
    def said(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["--data", str(shell.data), *words], saved) == code, capsys.readouterr().err
        return capsys.readouterr().out

    said("run", "trip", "--set", "Where=Rome", "--set", "Days=3", "--json", code=3)
    key, fork = "default-trip-01", "default-trip-02"
    assert said("fork", key, "Days") == f"{fork}: waits for Days\n"
    assert [line.split() for line in said("compare", key, fork).splitlines()] == [
        ["step", "differs", "left", "right"], ["Where", "Rome", "Rome"], ["Days", "yes", "3", "not", "there"]]
    assert json.loads(said("compare", key, fork, "--json"))["steps"][0]["differs"] is False
    assert said("revert", key, "Days") == f"{key}: waits for Days\n" and said("undo", key) == f"{key}: waits for Go\n"
    assert said("finalise", key) == f"{key}: finished\n" and said("unlock", key) == f"{key}: waits for Go\n"
    assert json.loads(said("rename", key, "Spring", "--json"))["title"] == "Spring"
    assert said("save", key, "--out", "spring.html") == "spring.html\n"
    assert "Spring" in (shell.folder / "spring.html").read_text()
    assert said("import", "spring.html") == "default-trip-03: finished\n"
    for wrong in ("nothing.html", str(shell.plugins / "010_trip.py")):
        assert said("import", wrong, code=2) == ""
    assert "restore brings it back" in said("delete", fork) and said("delete", fork, code=1) == ""
    assert said("restore", fork) == f"{fork}: waits for Days\n"
    for odd in ("\udcff", "\x1b[31m"):  # a byte that is no text, and what a terminal would act on
        assert main(["--data", str(shell.data), "save", odd], saved) == 1
        assert capsys.readouterr().err.startswith("There is no run \ufffd")
    assert len(KEEPING) == 11
