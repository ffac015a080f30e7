from treadle import Code, workflow


@workflow("Robots", message="I write a robots.txt.")
async def robots(ui):
    ui.show(Code("User-agent: *\nDisallow: /*?sort=\n", name="robots.txt"), Code("SELECT 1", "sql"))


def test_the_text_is_kept_as_it_is(run):
    assert run(robots).shown[1].text == "SELECT 1"
