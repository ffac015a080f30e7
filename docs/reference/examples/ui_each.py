from treadle import Table, workflow


@workflow("Lengths", message="Names in, lengths out.")
async def lengths(ui):
    names = (await ui.ask("Names", str)).split()
    found = await ui.each("Measure", names, measure, workers=4, failed="keep", name=str.title)
    ui.show(Table(found.ok, sort="-length"))
    return len(found.failed)


def measure(name: str) -> dict:
    if not name.isalpha():
        raise ValueError(f"{name} is no name")
    return {"name": name, "length": len(name)}


def test_what_fails_stands_in_its_place(run):
    r = run(lengths, answers={"Names": "ada 4711 grace"})
    assert r["Measure"][2] == {"name": "grace", "length": 5}
    assert (r["Measure"][1].item, r.result) == ("4711", 1)
