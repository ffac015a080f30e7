// Before the first paint: the theme, the width of the chat, and that there is a script at all.
(() => {
  const root = document.documentElement;
  root.dataset.js = "";
  try {
    const {theme, chat, chatOff} = localStorage;
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    if (chat > 0) root.style.setProperty("--chat", `${chat}px`);
    if (chatOff) root.dataset.chat = "off";
  } catch { /* storage is forbidden here: nothing is remembered */ }
})();
