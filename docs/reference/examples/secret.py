from treadle import Secret, workflow


@workflow("Sign in", message="I sign in with your key.")
async def sign_in(ui):
    key = await ui.ask("Key", Secret)
    return await ui.job("Sign in", length, key)


def length(key: Secret) -> int:  # the key itself is never stored in a result, a log or an export
    return len(key)


def test_the_key_reaches_the_job(run):
    assert run(sign_in, answers={"Key": "hunter2"}).result == 7
