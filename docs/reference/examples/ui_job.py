from datetime import date

from treadle import workflow


@workflow("Age", message="I count days.")
async def age(ui):
    born = await ui.ask("Born", date)
    days = await ui.job("Days", days_since, born, retries=2, timeout_s=30)
    ui.show(f"{days:,} days")


def days_since(born: date) -> int:  # what a clock says would differ at each replay: so it is a job
    return (date.today() - born).days


def test_a_job_runs_once(run):
    r = run(age, answers={"Born": date.today()})
    assert r["Days"] == 0 and r.shown == ["0 days"]
