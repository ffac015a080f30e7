"""Check the links of a page: every run has a file, and its name in the address."""
import json
import os
import uuid
from pathlib import Path

import work
from nicegui import background_tasks, run, ui

RUNS = Path(os.environ["RUNS"])
jobs = {}


def load(key):
    file = RUNS / f"{key}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def save(key, **more):
    state = load(key) | more
    temporary = RUNS / f"{key}.tmp"
    temporary.write_text(json.dumps(state))
    temporary.replace(RUNS / f"{key}.json")


async def check_all(key, links):
    rows = []
    for number, link in enumerate(links, 1):
        rows.append(await run.io_bound(work.check, link))
        jobs[key] = number
    save(key, rows=rows)


@ui.page("/")
def begin():
    ui.navigate.to(f"/run/{uuid.uuid4().hex}")


@ui.page("/run/{key}")
def page(key: str):
    @ui.refreshable
    def steps():
        state = load(key)
        if "url" not in state:
            url = ui.input("URL", validation={"Give an address that begins with http.":
                                              lambda text: text.startswith(("http://", "https://"))})
            ui.button("Save", on_click=lambda: url.validate() and (save(key, url=url.value), steps.refresh()))
            return
        ui.label(f"URL: {state['url']}")
        if "rows" not in state:
            links = work.links_of(state["url"])
            if key not in jobs:
                jobs[key] = 0
                background_tasks.create(check_all(key, links))
            ui.linear_progress(jobs[key] / len(links), show_value=False)
            ui.label(f"{jobs[key]} of {len(links)}")
            ui.timer(0.5, steps.refresh, once=True)
            return
        ui.table(rows=sorted(state["rows"], key=lambda row: -row["status"]))
        if "note" not in state:
            note = ui.input("Note")
            ui.button("Save", on_click=lambda: (save(key, note=note.value), steps.refresh()))
            return
        ui.label(f"Note: {state['note']}")
        ui.button("links.json", on_click=lambda: ui.download.content(json.dumps(state), "links.json"))

    ui.label("Link check")
    steps()


ui.run(port=int(os.environ["PORT"]), host="127.0.0.1", show=False, reload=False)
