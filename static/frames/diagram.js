// Draws a Mermaid diagram, and draws it again when the page turns dark or light.
{
  const {box, color, data, drawn, failed, isDark, title} = frame;
  let number = 0;
  const draw = async () => {
    const [ink, line, fill, paper] = ["ink", "line", "fill", "paper"].map(color);
    mermaid.initialize({
      startOnLoad: false, securityLevel: "strict", suppressErrorRendering: true, theme: "base",
      fontFamily: "system-ui, sans-serif", maxTextSize: 100000, maxEdges: 2000,
      themeVariables: {
        darkMode: isDark(), background: paper, mainBkg: fill, primaryColor: fill,
        primaryTextColor: ink,
        primaryBorderColor: line, lineColor: color("ink-2"), textColor: ink, fontSize: "14px",
        edgeLabelBackground: paper, clusterBkg: paper, clusterBorder: line, noteBkgColor: fill,
        noteTextColor: ink, noteBorderColor: line, actorBkg: fill, actorTextColor: ink,
        signalTextColor: ink,
      },
    });
    try {
      const {svg} = await mermaid.render(`diagram-${++number}`, data.text);
      box.innerHTML = svg;
    } catch (error) {
      return failed("This is not yet a Mermaid diagram:", error);
    }
    const picture = box.querySelector("svg");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", title);
    Object.assign(box, {tabIndex: 0, role: "group", ariaLabel: title});
    const {width} = picture.viewBox.baseVal;
    picture.style.minInlineSize = `min(${width}px, 520px)`; // a phone scrolls it
  };
  drawn(draw);
}
