from treadle import InvalidAnswer, Url, workflow


@workflow("Host", message="I read the host of an address.")
async def host(ui):
    return (await ui.ask("Page", Url)).split("/")[2]


def test_an_address_is_whole(run):
    import pytest

    assert run(host, answers={"Page": "https://example.org/a"}).result == "example.org"
    with pytest.raises(InvalidAnswer):
        run(host, answers={"Page": "example.org"})
