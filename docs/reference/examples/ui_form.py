from dataclasses import dataclass
from typing import Annotated

from treadle import Range, workflow


@dataclass
class Limits:
    pages: Annotated[int, Range(1, 500)] = 100
    robots: bool = True


@workflow("Limits", message="How far may I go?")
async def limits(ui):
    given = await ui.form("Limits", Limits, default=Limits(pages=50))
    return given.pages if given.robots else 0


def test_a_form_gives_an_instance(run):
    r = run(limits, answers={"Limits": {"pages": 20, "robots": True}})
    assert r["Limits"] == Limits(20) and r.result == 20
