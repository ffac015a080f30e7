"""Check the links of a page: every run has a file, and its name in the address."""
import json
import os
import threading
import time
import uuid
from pathlib import Path

import streamlit as st
import work

RUNS = Path(os.environ["RUNS"])


@st.cache_resource
def jobs():
    return {}


def load(run):
    file = RUNS / f"{run}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def save(run, **more):
    state = load(run) | more
    temporary = RUNS / f"{run}.tmp"
    temporary.write_text(json.dumps(state))
    temporary.replace(RUNS / f"{run}.json")


def check_all(run, links, progress):
    rows = []
    for number, link in enumerate(links, 1):
        rows.append(work.check(link))
        progress[run] = number
    save(run, rows=rows)


run = st.query_params.get("run")
if not run:
    run = st.query_params["run"] = uuid.uuid4().hex
state = load(run)
st.title("Link check")
if "url" not in state:
    with st.form("url"):
        url = st.text_input("URL")
        if st.form_submit_button("Save"):
            if url.startswith(("http://", "https://")):
                save(run, url=url)
                st.rerun()
            st.error("Give an address that begins with http.")
else:
    st.write(f"URL: {state['url']}")
    if "rows" not in state:
        links = work.links_of(state["url"])
        if run not in jobs():
            jobs()[run] = 0
            threading.Thread(target=check_all, args=(run, links, jobs()), daemon=True).start()
        st.progress(jobs()[run] / len(links), f"{jobs()[run]} of {len(links)}")
        time.sleep(0.5)
        st.rerun()
    st.dataframe(sorted(state["rows"], key=lambda row: -row["status"]))
    if "note" not in state:
        with st.form("note"):
            note = st.text_input("Note")
            if st.form_submit_button("Save"):
                save(run, note=note)
                st.rerun()
    else:
        st.write(f"Note: {state['note']}")
        st.download_button("links.json", json.dumps(state), "links.json")
