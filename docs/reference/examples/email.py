from treadle import Email, workflow


@workflow("Report to", message="Who is told?")
async def report_to(ui):
    return await ui.ask("Report to", Email | None)


def test_it_is_an_address_of_mail(run):
    assert run(report_to, answers={"Report to": "ada@example.org"}).result == "ada@example.org"
