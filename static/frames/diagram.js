// Draws a Mermaid diagram, and draws it again when the page turns dark or light.
{
  const {byId, color, dark, data, failed, title} = frame;
  let number = 0;
  const draw = async () => {
    const [ink, line, fill, paper] = ["ink", "line", "fill", "paper"].map(color);
    mermaid.initialize({
      startOnLoad: false, securityLevel: "strict", suppressErrorRendering: true, theme: "base",
      fontFamily: "system-ui, sans-serif", maxTextSize: 100000, maxEdges: 2000,
      themeVariables: {
        darkMode: dark.matches, background: paper, mainBkg: fill, primaryColor: fill, primaryTextColor: ink,
        primaryBorderColor: line, lineColor: color("ink-2"), textColor: ink, fontSize: "14px",
        edgeLabelBackground: paper, clusterBkg: paper, clusterBorder: line, noteBkgColor: fill,
        noteTextColor: ink, noteBorderColor: line, actorBkg: fill, actorTextColor: ink, signalTextColor: ink,
      },
    });
    try {
      const {svg} = await mermaid.render(`diagram-${++number}`, data.text);
      byId("box").innerHTML = svg;
    } catch (error) {
      return failed("This is not yet a Mermaid diagram:", error);
    }
    const drawn = byId("box").querySelector("svg");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", title);
    drawn.style.minInlineSize = `min(${drawn.viewBox.baseVal.width}px, 520px)`; // a phone scrolls it
  };
  dark.addEventListener("change", draw);
  draw();
}
