from treadle import Ui, workflow


@workflow("Square", message="Give me a number; I square it.")
async def square(ui: Ui) -> int:  # the annotation lets an editor complete `ui.` and check types
    number = await ui.ask("Number", int)
    ui.show(f"The square of {number} is **{number ** 2}**.")
    return number ** 2


def test_it_squares(run):
    assert run(square, answers={"Number": 7}).result == 49
