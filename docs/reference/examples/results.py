from treadle import Results, Table, workflow


@workflow("Squares", message="I square numbers.")
async def squares(ui):
    found = await ui.each("Square", range(5), square, workers=2)
    ui.show(f"{len(found)} squares, the last is {found[-1]}", Table(found))
    return await ui.job("Sum", total, found)


def square(number: int) -> int:
    return number ** 2


def total(found: Results) -> int:
    return sum(found.ok)


def test_results_are_a_sequence(run):
    r = run(squares)
    assert list(r["Square"])[:3] == [0, 1, 4] and r.result == 30
