from treadle import InvalidAnswer, workflow


@workflow("Even", message="An even number, please.")
async def even(ui):
    return await ui.ask("Number", int, check=is_even)


def is_even(number):
    if number % 2:
        raise ValueError(f"{number} is odd.")
    return number


def test_an_odd_number_is_refused_with_our_sentence(run):
    import pytest

    with pytest.raises(InvalidAnswer, match=r"3 is odd\."):
        run(even, answers={"Number": 3})
