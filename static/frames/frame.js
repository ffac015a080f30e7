// In a sandboxed frame: without the page's origin, cookies or storage, and with no network but /static/.
const frame = (() => {
  const byId = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tell = () => parent.postMessage({height: Math.ceil(document.body.scrollHeight)}, "*");
  const failed = (sentence, error) => {
    const said = document.createElement("p"), why = document.createElement("pre");
    said.textContent = sentence;
    why.textContent = String(error?.message ?? error).slice(0, 2000);
    why.tabIndex = 0;
    byId("box").replaceChildren(said, why);
    byId("box").setAttribute("role", "alert");
  };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  new ResizeObserver(tell).observe(document.body);
  addEventListener("message", ({source}) => { if (source === parent) tell(); });
  return {byId, dark, failed, color, data: JSON.parse(byId("data").textContent), title: document.title};
})();
