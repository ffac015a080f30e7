"""Write a text with the model: brief, outline, sections, and the person decides at every step."""

from dataclasses import dataclass
from typing import Literal

from treadle import Download, LongText, Markdown, Ui, workflow

from ._draft import as_html, checked, headings, joined, outline_prompt, section_prompt


@dataclass
class Brief:
    """What is to be written, and for whom."""

    subject: str
    what_must_be_in_it: LongText | None = None
    readers: str = "Customers without special knowledge"
    length: Literal["About 300 words", "About 800 words", "About 1,500 words"] = "About 800 words"


@workflow("Draft with the model", message="Tell me what you want to write; the model proposes, you decide.",
          about="A text with the local model: a brief, an outline you approve, sections you edit, and the whole as "
                "Markdown and HTML.", icon="pencil", training="draft.md", needs=["model"],
          steps=["Brief", "Proposed outline", "Outline", "Write this", "Proposed section", "Section", "HTML"])
async def draft(ui: Ui) -> None:
    asked = await ui.form("Brief", Brief)
    brief, readers, length = f"{asked.subject}\n\n{asked.what_must_be_in_it or ''}".strip(), asked.readers, asked.length
    proposed = await ui.llm("Proposed outline", outline_prompt(brief, readers, length))
    outline = headings(await ui.ask("Outline", LongText, default="\n".join(headings(proposed)), check=checked,
                                    help="The first line is the title, each further one a section."))
    title, sections = outline[0], outline[1:]
    if not await ui.approve("Write this", f"**{title}**\n\n" + "\n".join(f"1. {each}" for each in sections),
                            yes="Write it", no="Stop here"):
        ui.show("The outline is kept. Revert to **Outline** to change it.")
        return
    texts: dict[str, str] = {}
    for heading in sections:
        prompt = section_prompt(brief, readers, length, outline, heading, joined(title, texts) if texts else "")
        text = await ui.llm("Proposed section", prompt, key=heading)
        texts[heading] = await ui.ask("Section", Markdown, key=heading, default=text.strip(),
                                      help="Change what you like; the next one is written after it.")
    whole = joined(title, texts)
    page = await ui.job("HTML", as_html, title, whole)
    ui.show(whole, Download(whole, "draft.md"), Download(page, "draft.html"))
    ui.export("draft.json", title=title, sections=texts, brief=brief)
