from treadle import workflow


@workflow("Exports", message="I offer files.")
async def exports(ui):
    title = await ui.ask("Title", str)
    rows = [{"page": "/", "status": 200}, {"page": "=1+1", "status": 404}]
    ui.export("pages.csv", rows=rows)
    ui.export("report.json", title=title, pages=rows)
    ui.export("report.md", Title=title, Pages=rows)


def test_a_cell_that_a_spreadsheet_would_run_is_quoted(run):
    r = run(exports, answers={"Title": "Links"})
    assert r.exports["pages.csv"][1] == {"page": "'=1+1", "status": "404"}
    assert r.exports["report.json"]["title"] == "Links" and "| / | 200 |" in r.exports["report.md"]
