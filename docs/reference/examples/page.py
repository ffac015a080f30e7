from fasthtml.common import A, P

from treadle import page


@page("About us", about="Who wrote these workflows.")
def about_us(ui):
    ui.show("## The search team\n\nAsk us before you crawl a shop.")
    return P("More is on ", A("our site", href="https://example.org/"), ".")


def test_it_asks_nothing_and_says_who_we_are(run):
    assert "search team" in run(about_us).shown[0]
