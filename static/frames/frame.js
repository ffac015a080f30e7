// In a sandboxed frame: no origin, cookies or storage of the page, no network but /static/.
const frame = (() => {
  const byId = (id) => document.getElementById(id);
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const box = byId("box"), probe = document.createElement("i");
  const height = () => parent.postMessage({height: Math.ceil(document.body.scrollHeight)}, "*");
  let dark = system.matches, redraw = () => {};
  const failed = (sentence, error) => {
    const said = document.createElement("p"), why = document.createElement("pre");
    said.textContent = sentence;
    why.textContent = String(error?.message ?? error).slice(0, 2000);
    why.tabIndex = 0;
    box.replaceChildren(said, why);
    box.setAttribute("role", "alert");
  };
  const color = (name) => { // as it is now, for what computes with colours
    probe.style.color = `var(--${name})`;
    return getComputedStyle(root.appendChild(probe)).color;
  };
  new ResizeObserver(height).observe(document.body);
  addEventListener("message", ({source, data}) => {
    if (source !== parent || typeof data?.dark !== "boolean") return;
    height();
    if (data.dark === dark) return;
    dark = data.dark;
    root.style.colorScheme = dark ? "dark" : "light";
    redraw();
  });
  system.addEventListener("change", () => { // in a tab of its own; a page tells it after this
    dark = system.matches;
    redraw();
  });
  parent.postMessage({theme: true}, "*");
  const drawn = (draw) => { redraw = draw; draw(); };
  return {
    box, byId, color, drawn, failed, isDark: () => dark, title: document.title,
    data: JSON.parse(byId("data").textContent),
  };
})();
