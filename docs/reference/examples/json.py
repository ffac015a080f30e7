from treadle import Json, workflow


@workflow("Headers", message="Which headers?")
async def headers(ui):
    return sorted(await ui.ask("Headers", Json, default={"accept": "text/html"}))


def test_json_is_read(run):
    assert run(headers, answers={"Headers": '{"b": 1, "a": null}'}).result == ["a", "b"]
