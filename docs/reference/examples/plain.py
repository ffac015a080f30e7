from treadle import plain, workflow


@workflow("Hello again", message="I greet you.")
async def hello_again(ui):
    name = await ui.ask("Name", str)
    ui.show(f"Hello, **{plain(name)}**.")


def test_a_name_stays_a_name(run):
    assert run(hello_again, answers={"Name": "*Ada*"}).shown == [r"Hello, **\*Ada\***."]
