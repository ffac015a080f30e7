// Before the first paint: that there is a script, and what this browser remembers, with its controls: width and
// visibility of the chat, the theme, whether a long job that ends is told; in one tab, what is typed and not yet sent.
{
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  root.dataset.js = "";
  const theme = (choice) => {
    if (choice === "system") delete root.dataset.theme; else root.dataset.theme = choice;
    for (const input of document.getElementsByName("theme")) input.checked = input.value === choice;
  };
  const remember = (key, value) => {
    try { localStorage[key] = value; } catch { /* forbidden here: not remembered */ }
  };
  const choose = (choice) => {
    theme(choice);
    remember("theme", choice);
  };
  const showChat = (toggle, shown) => {
    root.dataset.chat = shown ? "" : "off";
    toggle.ariaPressed = shown;
    remember("chatOff", shown ? "" : "1");
  };
  const splitter = (split) => {
    const now = () => byId("chat").offsetWidth;
    const width = (px) => {
      px = Math.round(Math.max(320, Math.min(720, innerWidth / 2, px)));
      root.style.setProperty("--chat", `${px}px`);
      remember("chat", px);
      split.ariaValueNow = px;
    };
    split.onpointerdown = ({pointerId}) => split.setPointerCapture(pointerId);
    split.onpointermove = ({pointerId, clientX}) => {
      if (split.hasPointerCapture(pointerId)) width(innerWidth - clientX);
    };
    split.ondblclick = () => width(448);
    split.onkeydown = (event) => {
      const steps = {ArrowLeft: now() + 16, ArrowRight: now() - 16, Home: 320, End: 720};
      if (!(event.key in steps)) return;
      event.preventDefault();
      width(steps[event.key]);
    };
    split.ariaValueNow = now();
  };
  const notify = async (box) => {
    const allowed = box.checked && await window.Notification?.requestPermission() === "granted";
    byId("not-allowed").hidden = allowed || !box.checked;
    box.checked = allowed;
    remember("notify", allowed ? "1" : "");
  };
  // what is typed into a form, by its fields in order: no secret and no file; until an answer to it is saved
  const TYPED = "textarea, select, input:not([type=hidden], [type=file], [autocomplete=off])";
  const part = ({type}) => /^(radio|checkbox)$/.test(type) ? "checked" : "value";
  const keep = (form) => {
    const typed = [...form.querySelectorAll(TYPED)].map((field) => field[part(field)]);
    try { sessionStorage[form.dataset.keep] = JSON.stringify(typed); } catch { /* forbidden here */ }
  };
  const putBack = () => {
    for (const form of document.querySelectorAll("[data-keep]")) {
      let typed = [];
      try { typed = JSON.parse(sessionStorage[form.dataset.keep] ?? "[]"); } catch { /* forbidden here */ }
      form.querySelectorAll(TYPED).forEach((field, n) => {
        const now = part(field);
        if ((typed[n] ?? field[now]) === field[now]) return;
        field[now] = typed[n];
        field.dispatchEvent(new Event("input", {bubbles: true}));
      });
    }
  };
  const saved = ({sourceElement, target, response}) => { // not by what only asks for a draft, or how far an upload is
    const form = sourceElement.closest("[data-keep]");
    if (!form || form === target || !target.contains(form) || response.status >= 400) return;
    try { delete sessionStorage[form.dataset.keep]; } catch { /* forbidden here */ }
  };
  try {
    if (["light", "dark"].includes(localStorage.theme)) theme(localStorage.theme);
    if (localStorage.chat > 0) root.style.setProperty("--chat", `${localStorage.chat}px`);
    if (localStorage.chatOff) root.dataset.chat = "off";
  } catch { /* forbidden here: nothing is remembered */ }
  document.addEventListener("DOMContentLoaded", () => {
    theme(root.dataset.theme ?? "system");
    putBack();
    if (!byId("split")) return;
    splitter(byId("split"));
    byId("chat-toggle").ariaPressed = root.dataset.chat !== "off";
    try {
      byId("notify").checked = localStorage.notify && Notification.permission === "granted";
    } catch { /* forbidden or unknown here */ }
  });
  document.addEventListener("change", ({target}) => {
    if (target.name === "theme") choose(target.value);
    if (target.id === "notify") notify(target);
  });
  document.addEventListener("input", ({target: {form}}) => { if (form?.dataset.keep) keep(form); });
  document.addEventListener("htmx-after-request", ({detail: {ctx}}) => saved(ctx));
  document.addEventListener("htmx-after-swap", ({detail: {ctx}}) => { if (ctx.target?.id === "main") putBack(); });
  document.addEventListener("click", ({target}) => {
    if (target.id === "chat-toggle") showChat(target, root.dataset.chat === "off");
    if (!target.closest?.("#theme")) return;
    const system = dark.matches ? "dark" : "light"; // back at what the system says, the choice is forgotten
    const next = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    choose(next === system ? "system" : next);
  });
}
