// Only where a frame is shown: it says how high it is drawn, and is told whether the page is dark.
if (!globalThis.showsFrames) {
  globalThis.showsFrames = true;
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const all = () => [...document.querySelectorAll("iframe[sandbox]")];
  const tell = (frame) => frame.contentWindow?.postMessage(
    {dark: root.dataset.theme ? root.dataset.theme === "dark" : system.matches}, "*");
  const tellAll = () => all().forEach(tell);
  addEventListener("message", ({source, data}) => {
    const frame = all().find(({contentWindow}) => contentWindow === source);
    if (!frame) return;
    const height = Math.round(Number(data?.height));
    if (height > 0) frame.style.blockSize = `${Math.min(height, 4000)}px`;
    else tell(frame);
  });
  new MutationObserver(tellAll).observe(root, {attributeFilter: ["data-theme"]});
  system.addEventListener("change", tellAll);
  tellAll();
}
