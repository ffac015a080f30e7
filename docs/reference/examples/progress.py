from treadle import Progress, workflow


@workflow("Primes", message="I look for primes.")
async def primes(ui):
    most = await ui.ask("Up to", int)
    return await ui.job("Look", look, most, on="process")


def look(most: int, progress: Progress) -> list[int]:
    found = []
    for number in range(2, most + 1):
        progress(number, most, f"{len(found)} found")  # Stop takes effect here
        if all(number % prime for prime in found):
            found.append(number)
    return found


def test_a_function_with_a_bar_is_tested_like_any_other():
    assert look(12, Progress()) == [2, 3, 5, 7, 11]
