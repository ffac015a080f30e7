"""Check the links of a page: every run has a file, and its name in the address."""
import json
import os
import threading
import uuid
from pathlib import Path

import gradio as gr
import work

RUNS = Path(os.environ["RUNS"])
jobs = {}


def load(key):
    file = RUNS / f"{key}.json"
    return json.loads(file.read_text()) if key and file.exists() else {}


def save(key, **more):
    state = load(key) | more
    temporary = RUNS / f"{key}.tmp"
    temporary.write_text(json.dumps(state))
    temporary.replace(RUNS / f"{key}.json")


def check_all(key, links):
    rows = []
    for number, link in enumerate(links, 1):
        rows.append(work.check(link))
        jobs[key] = number
    save(key, rows=rows)


def begin(request: gr.Request):
    return request.query_params.get("run") or uuid.uuid4().hex


def look(key):
    state = load(key)
    working = "url" in state and "rows" not in state
    if working and key not in jobs:
        jobs[key] = 0
        threading.Thread(target=check_all, args=(key, work.links_of(state["url"])), daemon=True).start()
    rows = sorted(state.get("rows", []), key=lambda row: -row["status"])
    said = f"URL: {state['url']}" if "url" in state else ""
    said += f"\n\n{jobs.get(key, 0)} of {work.LINKS}" if working else ""
    said += f"\n\nNote: {state['note']}" if "note" in state else ""
    return [said, gr.update(visible="url" not in state), gr.update(visible="rows" in state and "note" not in state),
            gr.update(visible="rows" in state, value=[list(row.values()) for row in rows]),
            gr.update(visible="note" in state, value=str(RUNS / f"{key}.json"))]


def give_url(key, url):
    if not url.startswith(("http://", "https://")):
        raise gr.Error("Give an address that begins with http.")
    save(key, url=url)


with gr.Blocks(title="Link check") as app:
    gr.Markdown("# Link check")
    key, said = gr.Textbox(visible=False), gr.Markdown()
    with gr.Group() as ask_url:
        url, save_url = gr.Textbox(label="URL"), gr.Button("Save")
    table = gr.Dataframe(headers=["link", "status"], visible=False)
    with gr.Group(visible=False) as ask_note:
        note, save_note = gr.Textbox(label="Note"), gr.Button("Save note")
    download = gr.DownloadButton("links.json", visible=False)
    seen = [said, ask_url, ask_note, table, download]
    app.load(begin, None, key).then(look, key, seen).then(
        None, key, None, js="key => history.replaceState(null, '', '?run=' + key)")
    save_url.click(give_url, [key, url]).success(look, key, seen)
    save_note.click(lambda key, note: save(key, note=note), [key, note]).then(look, key, seen)
    gr.Timer(0.5).tick(look, key, seen, show_progress="hidden")

app.launch(server_name="127.0.0.1", server_port=int(os.environ["PORT"]), allowed_paths=[str(RUNS)], quiet=True)
