// A graph laid out by its forces, once, without motion. Arrows go from node to node.
{
  const {box, data: {nodes, edges}, title} = frame;
  const NS = "http://www.w3.org/2000/svg", W = Math.max(280, box.clientWidth), H = 440;
  const make = (name, attributes = {}, text = "") => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const html = (name, properties) => Object.assign(document.createElement(name), properties);
  const groups = [...new Set(nodes.map(({group}) => group))].filter(Boolean);
  const SHAPES = [ // a group has a shape too, not its colour alone
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0", "M-5-5h10v10h-10z", "M0-7 6 5H-6z", "M0-7 7 0 0 7-7 0z",
    "M0 7 6-5H-6z", "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z"];
  const look = ({group}) => Math.max(0, groups.indexOf(group)) % SHAPES.length;

  // ---- where each stands
  const byName = new Map(nodes.map((node) => [node.id, Object.assign(node, {to: [], from: []})]));
  const links = edges.map(({source, target, label}) => (
    {source: byName.get(source), target: byName.get(target), label}));
  for (const link of links) { link.source.to.push(link); link.target.from.push(link); }
  const near = Math.max(24, Math.min(70, 1200 / Math.sqrt(nodes.length || 1)));
  const ticks = nodes.length > 1000 ? 60 : nodes.length > 300 ? 120 : 300;
  const forces = d3.forceSimulation(nodes).stop().alphaDecay(1 - 0.001 ** (1 / ticks))
    .force("link", d3.forceLink(links).distance(near))
    .force("charge", d3.forceManyBody().strength(-3 * near).distanceMax(500))
    .force("x", d3.forceX(0).strength(0.06)).force("y", d3.forceY(0).strength(0.09));

  // ---- drawing
  const svg = make("svg", {
    class: "graph", viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: "application",
    "aria-label": `${title}: ${nodes.length} nodes, ${links.length} links. `
      + "Arrow keys go from node to node."});
  const stage = svg.appendChild(make("g"));
  for (const link of links) link.line = stage.appendChild(make("line"));
  for (const node of nodes) {
    const size = (1 + Math.min(1.4, node.from.length / 12)) * Math.min(1, 12 / nodes.length ** 0.5);
    const at = look(node);
    node.mark = stage.appendChild(make("path", {class: `node g${at}`, d: SHAPES[at]}));
    node.mark.append(make("title", {}, node.label));
    node.size = size;
  }
  const named = nodes.length <= 40 ? nodes
    : [...nodes].sort((a, b) => b.from.length - a.from.length).slice(0, 12);
  const label = (node) => {
    node.text ??= stage.appendChild(make("text", {}, node.label.slice(0, 60)));
  };
  named.forEach(label);
  let zoom = 1, left = 0, top = 0, chosen;
  const place = () => {
    stage.setAttribute("transform", `translate(${left} ${top}) scale(${zoom})`);
    for (const {line, source, target} of links) {
      line.setAttribute("x1", source.x); line.setAttribute("y1", source.y);
      line.setAttribute("x2", target.x); line.setAttribute("y2", target.y);
      line.setAttribute("stroke-width", 1 / zoom);
    }
    for (const {mark, text, x, y, size} of nodes) {
      const scale = size / Math.max(zoom, 0.5);
      mark.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
      if (!text) continue;
      text.setAttribute("x", x + 9 * scale); text.setAttribute("y", y + 4 / zoom);
      text.setAttribute("font-size", 12 / zoom);
    }
  };
  const fit = () => {
    const xs = nodes.map(({x}) => x), ys = nodes.map(({y}) => y);
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    zoom = Math.min(3, (W - 140) / (x1 - x0 || 1), (H - 60) / (y1 - y0 || 1));
    left = W / 2 - zoom * (x0 + x1) / 2 - 30;
    top = H / 2 - zoom * (y0 + y1) / 2;
    place();
  };
  const zoomBy = (factor, x = W / 2, y = H / 2) => {
    const next = Math.max(0.1, Math.min(12, zoom * factor));
    left = x - (x - left) * next / zoom;
    top = y - (y - top) * next / zoom;
    zoom = next;
    place();
  };

  // ---- choosing
  const said = html("p", {id: "said"});
  said.setAttribute("role", "status");
  const names = (ends) => ends.slice(0, 12).join(", ")
    + (ends.length > 12 ? ` and ${ends.length - 12} more` : "");
  const choose = (node) => {
    for (const part of stage.querySelectorAll(".near, .chosen"))
      part.classList.remove("near", "chosen");
    if (chosen?.text && !named.includes(chosen)) { chosen.text.remove(); chosen.text = undefined; }
    chosen = node;
    svg.classList.toggle("some", Boolean(node));
    said.textContent = "";
    if (!node) return;
    label(node);
    for (const {line, source, target} of [...node.to, ...node.from])
      [line, source.mark, target.mark].forEach((part) => part.classList.add("near"));
    node.mark.classList.add("near", "chosen");
    const to = node.to.map(({target, label: by}) => target.label + (by ? ` (${by})` : ""));
    said.textContent = `${node.label}${node.group ? `, ${node.group}` : ""}. `
      + `${node.from.length} in, ${to.length} out${to.length ? `: ${names(to)}` : ""}.`;
    place();
  };
  const toward = (dx, dy) => { // the nearest in that direction
    if (!chosen) return nodes[0];
    const far = (node) => {
      const x = node.x - chosen.x, y = node.y - chosen.y, along = x * dx + y * dy;
      return along > 0 ? along + 3 * Math.abs(x * dy - y * dx) : Infinity;
    };
    const best = nodes.reduce((a, b) => (far(b) < far(a) ? b : a));
    return far(best) < Infinity ? best : chosen;
  };
  const keys = {ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1]};
  svg.onkeydown = (event) => {
    const {key} = event;
    if (key in keys) choose(toward(...keys[key]));
    else if (key === "Home") choose(nodes[0]);
    else if (key === "Escape") choose();
    else if (key === "+" || key === "-") zoomBy(key === "+" ? 1.3 : 1 / 1.3);
    else return;
    event.preventDefault();
  };

  // ---- pointing: a node or the whole is dragged
  const at = (event) => {
    const {x, y} = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(svg.getScreenCTM().inverse());
    return [x, y];
  };
  let drag;
  svg.onpointerdown = (event) => {
    const node = nodes.find(({mark}) => mark === event.target);
    choose(node);
    drag = {node, last: at(event)};
    svg.setPointerCapture(event.pointerId);
  };
  svg.onpointermove = (event) => {
    if (!drag) return;
    const [x, y] = at(event), [dx, dy] = [x - drag.last[0], y - drag.last[1]];
    drag.last = [x, y];
    if (drag.node) { drag.node.x += dx / zoom; drag.node.y += dy / zoom; }
    else { left += dx; top += dy; }
    place();
  };
  svg.onpointerup = svg.onpointercancel = () => { drag = undefined; };
  svg.addEventListener("wheel", (event) => { // a plain wheel scrolls the page
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...at(event));
  }, {passive: false});

  // ---- what stands above
  const tools = html("div", {className: "tools"});
  const button = (textContent, ariaLabel, onclick) =>
    tools.append(html("button", {type: "button", textContent, ariaLabel, onclick}));
  const wording = "Find a node";
  const find = html("input", {type: "search", placeholder: wording, ariaLabel: wording});
  find.onchange = () => {
    const wanted = find.value.trim().toLowerCase();
    const found = wanted && nodes.find(({label: text}) => text.toLowerCase().includes(wanted));
    choose(found || undefined);
    if (wanted && !found) said.textContent = `No node holds “${find.value}”.`;
  };
  tools.append(find);
  button("−", "Zoom out", () => zoomBy(1 / 1.3));
  button("+", "Zoom in", () => zoomBy(1.3));
  button("Fit", "Fit all of it", fit);
  groups.forEach((group) => {
    const key = html("span", {className: "key"});
    const sign = make("svg", {viewBox: "-8 -8 16 16", "aria-hidden": true});
    sign.append(make("path", {class: `g${look({group})}`, d: SHAPES[look({group})]}));
    key.append(sign, group);
    tools.append(key);
  });
  const settle = (left) => { // in short pieces: the page around it must not wait
    const end = performance.now() + 20;
    while (left > 0 && performance.now() < end) { forces.tick(); left -= 1; }
    if (left > 0) return setTimeout(settle, 0, left);
    box.replaceChildren(tools, svg, said);
    if (nodes.length) fit(); else said.textContent = "There are no nodes.";
  };
  box.textContent = `Laying out ${nodes.length} nodes.`;
  settle(ticks);
}
