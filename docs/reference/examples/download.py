from treadle import Download, workflow


@workflow("Robots file", message="I offer a robots.txt.")
async def robots_file(ui):
    ui.show("Put this at the root of the site:", Download("User-agent: *\nDisallow:\n", "robots.txt"))


def test_it_has_a_name(run):
    assert run(robots_file).shown[1].name == "robots.txt"
