from fasthtml.common import Dd, Dl, Dt

from treadle import Code, workflow


@workflow("Shows", message="I show three things.")
async def shows(ui):
    ui.show("**Markdown**, a list:\n\n- one\n- two")
    ui.show(Code("Disallow: /*?sort=", name="robots.txt"), Dl(Dt("Pages"), Dd("312"), cls="facts"))


def test_what_is_shown_stands_in_its_order(run):
    r = run(shows)
    assert [type(thing).__name__ for thing in r.shown] == ["str", "Code", "FT"]
