"""Check the links of a page."""
import work

from treadle import Table, Url, workflow


@workflow("Link check", message="Give me a page; I check its links.")
async def link_check(ui):
    url = await ui.ask("URL", Url)
    rows = await ui.each("Check links", work.links_of(url), work.check)
    ui.show(Table(rows, sort="-status"))
    note = await ui.ask("Note", str)
    ui.export("links.json", url=url, rows=rows, note=note)
