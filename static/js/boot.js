// Before the first paint: that there is a script, the width of the chat, and the theme with its controls.
{
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  root.dataset.js = "";
  const theme = (choice) => {
    if (choice === "system") delete root.dataset.theme; else root.dataset.theme = choice;
    for (const input of document.getElementsByName("theme")) input.checked = input.value === choice;
  };
  const choose = (choice) => {
    theme(choice);
    try { localStorage.theme = choice; } catch { /* forbidden here: not remembered */ }
  };
  try {
    if (["light", "dark"].includes(localStorage.theme)) theme(localStorage.theme);
    if (localStorage.chat > 0) root.style.setProperty("--chat", `${localStorage.chat}px`);
    if (localStorage.chatOff) root.dataset.chat = "off";
  } catch { /* forbidden here: nothing is remembered */ }
  document.addEventListener("DOMContentLoaded", () => theme(root.dataset.theme ?? "system"));
  document.addEventListener("change", ({target}) => { if (target.name === "theme") choose(target.value); });
  document.addEventListener("click", ({target}) => {
    if (!target.closest?.("#theme")) return;
    const system = dark.matches ? "dark" : "light"; // back at what the system says, the choice is forgotten
    const next = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    choose(next === system ? "system" : next);
  });
}
