from typing import Annotated

from treadle import InvalidAnswer, Range, workflow


@workflow("Depth", message="How deep?")
async def depth(ui):
    return await ui.ask("Depth", Annotated[int, Range(1, 10)], default=3)


def test_both_ends_are_included(run):
    import pytest

    assert run(depth, answers={"Depth": 10}).result == 10
    with pytest.raises(InvalidAnswer):
        run(depth, answers={"Depth": 11})
