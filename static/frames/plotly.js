// Draws a figure of plotly with the script its own package brings.
{
  const {box, color, data, drawn, failed, isDark} = frame;
  const draw = async () => {
    const {data: traces, layout = {}, frames} = data;
    const axes = {gridcolor: color("line"), linecolor: color("line"), zerolinecolor: color("line")};
    const clear = {paper_bgcolor: "#0000", plot_bgcolor: "#0000", autosize: true};
    const own = {...clear, font: {color: color("ink")}};
    const template = isDark() ? {layout: {...own, xaxis: axes, yaxis: axes}} : layout.template;
    try {
      await Plotly.react("box", {
        data: traces, frames,
        layout: {...layout, template, width: undefined, title: undefined,
          margin: {t: 24, ...layout.margin}},
        config: {displaylogo: false, responsive: true, modeBarButtonsToRemove: ["toImage"]},
      });
    } catch (error) {
      failed("This figure could not be drawn:", error);
    }
  };
  box.style.minBlockSize = `${data.layout?.height ?? 420}px`;
  drawn(draw);
}
