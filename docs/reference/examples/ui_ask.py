from treadle import Url, workflow


@workflow("Address", message="Which page?")
async def address(ui):
    url = await ui.ask("Page", Url, placeholder="https://", help="With **https**.", check=secure)
    pages = await ui.ask("Pages", int, default=10)
    note = await ui.ask("Note", str | None, max_length=200)
    return [url, pages, note]


def secure(url):
    if not url.startswith("https:"):
        raise ValueError("This page is not encrypted: give one with https.")
    return url


def test_what_may_be_left_out_is(run):
    r = run(address, answers={"Page": "https://example.org/", "Pages": "1,000", "Note": ""})
    assert r.result == ["https://example.org/", 1000, None]
