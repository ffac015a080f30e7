"""Greet a person by name: the smallest useful workflow."""

from treadle import Ui, plain, workflow


@workflow("Hello", message="I greet you. Give me a name, then approve the greeting.",
          about="Two questions and a greeting. The shortest workflow there is.",
          training="The person sees Hello, the shortest workflow: it asks for a name, shows the greeting for approval, "
                   "and offers it as a file. Its code is plugins/040_hello.py, a good pattern for a first workflow.",
          steps=["Your name", "Greeting"])
async def hello(ui: Ui) -> None:
    name = await ui.ask("Your name", str, max_length=80)
    greeting = f"Hello, **{plain(name)}**."
    if await ui.approve("Greeting", greeting, yes="Greet", no="Stay silent"):
        ui.show(greeting)
        ui.export("greeting.json", name=name, greeting=f"Hello, {name}.")
    else:
        ui.show("Nobody was greeted.")
