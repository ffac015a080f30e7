from treadle import Failed, workflow


@workflow("Invert", message="I divide one by your numbers.")
async def invert(ui):
    numbers = [int(word) for word in (await ui.ask("Numbers", str)).split()]
    found = await ui.each("Divide", numbers, inverse, failed="keep")
    return [f"{each.item}: {each.error}" if isinstance(each, Failed) else each for each in found]


def inverse(number: int) -> float:
    return 1 / number


def test_a_failed_item_says_why(run):
    assert run(invert, answers={"Numbers": "2 0"}).result == [0.5, "0: ZeroDivisionError: division by zero"]
