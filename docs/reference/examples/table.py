from dataclasses import dataclass

from treadle import Table, workflow


@dataclass
class Page:
    path: str
    clicks: int
    note: str = ""


@workflow("Pages", message="I list pages.")
async def pages(ui):
    ui.show(Table([Page("/", 12), Page("/a", 40)], sort="-clicks", columns=["path", "clicks"]))
    ui.show(Table([{"path": "/b", "clicks": 0}]))


def test_rows_stand_in_their_order(run):
    assert run(pages).shown[0].records() == [{"path": "/a", "clicks": 40}, {"path": "/", "clicks": 12}]
