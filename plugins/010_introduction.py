"""What this is, in five short steps."""

from typing import Literal

from treadle import Ui, plain, workflow

NEXT = {
    "Look around": "Open **Hello** from the menu, top left: two questions, and you have seen a whole workflow.",
    "Get something done": "Open **URL counts** from the menu, top left: paste addresses, get tables and files.",
    "Write a workflow": "Open `plugins/040_hello.py` in an editor. A workflow is one Python file; a copy of that one, "
                        "with another number and another function name, is in the menu as soon as you save it.",
}


@workflow("Introduction", icon="book-open",
          message="Five short steps show what this is. You can leave at any step and go on later.",
          about="What this is, in five short steps. You can leave at any step and go on later.",
          training="""The person is in the introduction. Its five steps are: Your name (may stay empty), What brings
you here, Your decision (an approval: nothing happens until one of its two buttons is pressed), The assistant (they are
invited to ask you something) and One step back (they are invited to press Revert beside an answered step).
They may be new to all of this: answer in a few plain sentences, and say which button to press.""",
          steps=["Your name", "What brings you here", "Your decision", "The assistant", "One step back"])
async def introduction(ui: Ui) -> None:
    ui.show("On this side, a **workflow** asks one thing at a time. On the other side is the **assistant**, a model on "
            "this computer that sees which step you are at. Nothing you type leaves the computer.")
    name = await ui.ask("Your name", str | None, max_length=80,
                        help="An answer is stored as soon as you give it. This one may stay empty.")
    goal = await ui.ask("What brings you here", Literal["Look around", "Get something done", "Write a workflow"],
                        help="What follows depends on your answer: a workflow is ordinary Python.")
    proposal = f"""The workflow proposes, you decide: a note for **{plain(name or 'you')}** at the end, with what to do
next to {goal.lower()}. Nothing happens until you press one of the two buttons."""
    wanted = await ui.approve("Your decision", proposal, yes="Make the note", no="No note")
    await ui.ask("The assistant", bool,
                 help="Tick this when you have asked it something, for example: What can I do here? "
                      "Without a model, the notice above its text field says what to do; go on without ticking.")
    await ui.ask("One step back", bool,
                 help="Press Revert beside What brings you here and choose another answer. Only what depends on it is "
                      "asked again, with your old answers filled in. Tick this when you have tried, or go on without.")
    ui.show(f"That was all. {NEXT[goal]}")
    if wanted:
        ui.export("note.md", note=f"For {plain(name or 'you')}: {NEXT[goal]}")
