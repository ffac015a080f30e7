from treadle import workflow


@workflow("Columns", message="Which columns?")
async def columns(ui):
    header = await ui.ask("First line", str, default="url,title,clicks")
    kept = await ui.choose("Keep", header.split(","), many=True, least=1)
    order = await ui.choose("Sort by", {n: f"Column {n}: {name}" for n, name in enumerate(kept, 1)})
    return [kept, order]


def test_the_values_are_given_not_the_texts(run):
    r = run(columns, answers={"First line": "a,b,c", "Keep": ["a", "c"], "Sort by": 2})
    assert r.result == [["a", "c"], 2]
