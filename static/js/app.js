// What the server cannot do: panes, scrolling, saying that there is no server.
// Listeners stand on the document, before htmx begins: they hold for what comes later.
{
const $ = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const on = (name, run, first) => document.addEventListener(name, run, first);
const hx = (name, run) => on(`htmx-${name}`, (event) => run(event.detail, event));

// ---- panes
const pane = (place) => $(place).scrollIntoView({inline: "start", block: "nearest"});
const tabs = () => new IntersectionObserver((entries) => {
  const main = entries.at(-1).intersectionRatio > 0.5;
  for (const tab of all(".tabs a")) tab.ariaCurrent = tab.hash === "#main" ^ main ? null : "page";
}, {threshold: 0.5}).observe($("#main"));

// ---- jobs
on("every", (event) => { // who looks at nothing asks for nothing
  const {target} = event, {top, bottom, left} = target.getBoundingClientRect();
  const seen = !document.hidden && target.checkVisibility()
    && top <= innerHeight && bottom >= 0 && left < innerWidth;
  const asks = target.id === "ended" ? $("#notify").checked : seen || target === live();
  if (!asks) event.stopPropagation();
}, true);
const ended = () => { // long ones, told to those who asked and do not look
  if (!document.hasFocus()) for (const {title, textContent, id, pathname} of all("#ended a"))
    new Notification(title, {body: textContent, tag: id}).onclick = () => {
      focus();
      refetch = pathname;
      getAgain();
    };
};

// ---- menus: arrows move in them
const menuKey = (event, menu) => {
  const items = all(".opt", menu), at = items.indexOf(event.target);
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1};
  if (at < 0 || !(event.key in to)) return;
  event.preventDefault();
  items.at(to[event.key] % items.length).focus();
};
on("toggle", ({target, newState}) => {
  if (!target.popover || newState !== "open") return;
  ($(".opt[aria-current]", target) ?? $(".opt, .input", target))?.focus();
  $("#jobs-list", target)?.dispatchEvent(new Event("every"));
}, true);

// ---- the log
let log, pinned = true, lastTop = 0, height, fromEnd;
const gap = () => log.scrollHeight - log.clientHeight - log.scrollTop;
const follow = () => {
  if (pinned) log.scrollTop = log.scrollHeight;
  $("#jump").hidden = gap() <= 2;
  ({scrollTop: lastTop, clientHeight: height} = log);
};
const watchLog = () => {
  log = $("#log");
  log.onscroll = () => {
    if (gap() <= 2) pinned = $("#jump").hidden = true;
    else if (log.scrollTop < lastTop - 1 && log.clientHeight === height) pinned = false;
    lastTop = log.scrollTop;
  };
  const away = (up) => { if (up && log.scrollTop > 0) pinned = false; }; // before a pixel moves
  log.addEventListener("wheel", ({deltaY}) => away(deltaY < 0), {passive: true});
  log.onkeydown = ({key}) => away(/Up|Home/.test(key));
  const watcher = new ResizeObserver(follow);
  watcher.observe(log);
  watcher.observe($("#log-items"));
};
const jump = () => { pinned = true; follow(); };

setInterval(() => { // seconds, shown from 2 s on
  for (const place of all("[data-since]")) {
    const {since, before = ""} = place.dataset, seconds = Math.floor(Date.now() / 1000 - since);
    if (seconds > 1) Object.assign(place, {textContent: `${before}${seconds} s`, hidden: false});
  }
}, 250);

const copy = async ({dataset: {copy: name}, parentNode}) => { // an element by its id, or a text
  const code = name ? $(`#${name}`) : $("pre, code", parentNode.closest(".code, .cmd"));
  let said = "Copied.";
  try {
    await navigator.clipboard.writeText(code ? code.innerText.trim() : name);
  } catch { said = "The browser did not allow copying."; }
  $("#announce").textContent = said;
};

// ---- the composer
const text = () => $("#text");
const write = (value) => { // as if it were typed
  text().value = value;
  text().dispatchEvent(new Event("input", {bubbles: true}));
};
const putBack = (value) => {
  const typed = text().value;
  write(typed && typed !== value ? `${value}\n${typed}` : value);
  text().focus();
};
const random = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
let failed = {}; // sent again unchanged, a question keeps its id
const showSent = ({value, id}) => { // until the stream brings the real row
  const row = $(`#u-${id}`) ?? document.createElement("article");
  Object.assign(row, {id: `u-${id}`, className: "msg user", ariaLabel: "You", hidden: false});
  row.textContent = value;
  $("#log-items").append(row);
  if (text().value === value) write("");
  hush("unsent", "busy");
  jump();
};
const unsent = (sent, name, sentence) => {
  const row = $(`#u-${sent.id}`);
  if (!row) return; // the stream has brought it: it had arrived
  row.hidden = true;
  failed = sent;
  putBack(sent.value);
  tell(name, sentence);
};
let told = ""; // the notice above the composer
const saying = (name) => $(`#say-${name}`).content.cloneNode(true);
const tell = (name, sentence) => {
  const box = $("#connection");
  box.replaceChildren(saying(name));
  if (sentence) $("p", box).textContent = sentence;
  htmx.process(box);
  told = name;
};
const hush = (...names) => { if (names.includes(told)) $("#connection").replaceChildren(); };

// ---- the stream
let connection, losses, over, refetch;
const live = () => $("#live");
const final = (status) => { // nothing is tried again
  const name = {401: "signed-out", 404: "deleted"}[status];
  if (!name) return false;
  over = true;
  found();
  tell(name);
  setTimeout(() => live()?.remove()); // and its watchdog with it
  return true;
};
const losing = () => {
  if (!over && !document.hidden)
    losses ??= [setTimeout(tell, 3000, "lost"), setTimeout(showGone, 30000, true)];
};
const found = () => {
  losses?.forEach(clearTimeout);
  losses = undefined;
  showGone(false);
  if (told !== "lost") return;
  tell("back");
  setTimeout(hush, 4000, "back");
};
const showGone = (away) => {
  $("#gone").hidden = !away;
  $(".app").inert = away;
  if (away) $("#gone").focus();
};
const retry = () => {
  connection?.delayCanceller?.();
  live()?.dispatchEvent(new Event("retry"));
};
hx("sse-before-connection", (detail, event) => {
  connection = detail.connection;
  if (over) event.preventDefault();
});
hx("sse-after-connection", () => { found(); if (refetch) getAgain(); });
hx("sse-error", ({status}) => final(status) || losing());

// ---- pages
const noAnswer = (path, name) => { // the click was counted
  refetch = path;
  $("#main").replaceChildren(saying("no-answer"));
  $("#main [data-path]").textContent = path;
  if (name) $("#place").textContent = name;
  arrived();
};
const getAgain = () =>
  htmx.ajax("GET", refetch, {source: "#main", target: "#main", push: refetch});
const arrived = () => {
  const main = $("#main");
  main.scrollTop = 0;
  pane("#main");
  const start = $("[autofocus]", main) ?? Object.assign($("h1", main), {tabIndex: -1});
  start.focus({preventScroll: true});
};
// ---- requests
const STEP = "[aria-current=step]";
let within; // the step the focus is in
const touched = new WeakSet(); // fields of runs in which somebody typed
hx("config-request", ({ctx}, event) => {
  const value = text()?.value;
  if (ctx.sourceElement.id === "composer") {
    if (!value.trim()) return event.preventDefault();
    ctx.sent = {value, id: failed.value === value ? failed.id : random()};
    ctx.request.body.set("client_id", ctx.sent.id);
  } // back and forward ask for a whole page; what names the place lies outside #main
  if (ctx.request.headers["HX-History-Restore-Request"])
    ctx.selectOOB = "#place,#tab,#menu:innerHTML";
});
hx("before-request", ({ctx}, event) => { // nobody looks: no stream, no arrival
  if (ctx.sourceElement === live() && (document.hidden || over)) event.preventDefault();
  if (ctx.sent) showSent(ctx.sent);
});
hx("after-request", ({ctx}, event) => {
  const {status, headers} = ctx.response, from = ctx.sourceElement;
  const plain = headers.get("Content-Type")?.startsWith("text/plain") ? ctx.text : "";
  if (ctx.sent && status < 400) failed = {};
  if (from === live()) final(status) || losing();
  else if (ctx.sent && status >= 400) unsent(ctx.sent, status === 409 ? "busy" : "unsent", plain);
  else if (from.id === "cancel" && status === 200) putBack(ctx.text);
  else if (plain && from.closest("#chat")) tell("unsent", plain);
  else if (status < 400 || !/^every/.test(from.getAttribute("hx-trigger"))) return;
  event.preventDefault(); // not to be swapped
});
hx("error", ({ctx}) => {
  const from = ctx?.sourceElement, page = ctx?.target?.id === "main";
  if (!ctx) return;
  if (from === live()) { losing(); setTimeout(retry, 2000); }
  else if (ctx.sent) unsent(ctx.sent, "unsent");
  else if (page && (from.href || ctx.request.method === "GET"))
    noAnswer(from.getAttribute("href") ?? ctx.request.action, from.href && from.textContent);
  else $(".unsaved", from)?.removeAttribute("hidden");
});
hx("before-swap", ({ctx, tasks}, event) => {
  for (const {target, fragment} of tasks) {
    if (failed.id && target?.id === `u-${failed.id}`) { // here too
      if (text().value === failed.value) write("");
      hush("unsent");
    } // what is half typed here stays, whatever another tab did
    if (ctx.request?.method === "GET" && /^(run-|page$)/.test(target?.id)
      && all("[id]", target).some((field) => touched.has(field)
        && !fragment.getElementById(field.id))) {
      event.preventDefault();
      $(".elsewhere", target)?.removeAttribute("hidden");
    }
  }
  within = document.activeElement.closest(STEP);
  if (log && ctx.sourceElement.closest("#earlier")) fromEnd = log.scrollHeight - log.scrollTop;
});
hx("after-swap", ({ctx}) => {
  if (fromEnd) { // it came in above
    log.focus();
    log.scrollTop = log.scrollHeight - fromEnd;
  }
  fromEnd = 0;
  if (within && document.activeElement === document.body) // a job has ended under the focus
    $(`${STEP} :is([tabindex], input:not([type=hidden]), textarea, select)`)?.focus();
  if (ctx.target?.id === "ended") ended();
  if (mine($("#act"))) hush("busy");
  if (ctx.target?.id !== "main") return;
  refetch = "";
  text().placeholder = $("#place").dataset.ask;
  arrived();
});

// ---- clicks and keys
const clicks = {
  "[data-copy]": copy, "[data-do=retry]": retry, "[data-do=refetch]": getAgain,
  "#log summary": () => { pinned = false; }, // it stays where it is
  "[data-show]": (show) => { // what it stands at is a secret
    const secret = show.previousElementSibling;
    secret.type = (show.ariaPressed = secret.type !== "text") ? "text" : "password";
  },
  "#jump": () => { jump(); log.focus(); }, ".tabs a": ({hash}) => pane(hash),
  "[popover] :is(.opt, .nm)": (option) => option.closest("[popover]").hidePopover(),
};
on("click", (event) => { // htmx would keep the browser from opening a tab
  if (event.ctrlKey || event.metaKey || event.shiftKey) event.stopPropagation();
}, true);
on("click", (event) => {
  for (const [selector, run] of Object.entries(clicks)) {
    const hit = event.target.closest?.(selector);
    if (!hit) continue;
    if (hit.closest(".tabs")) event.preventDefault();
    return run(hit);
  }
});
const mine = (field) => field.form?.id === "composer";
on("input", ({target}) => {
  touched.add(target);
  if (target.type === "range") target.nextElementSibling.value = target.value;
});
on("keydown", (event) => {
  const menu = event.target.closest?.("[popover]");
  if (menu) return menuKey(event, menu);
  if (!mine(event.target) || event.key !== "Enter" || event.shiftKey) return;
  if (event.isComposing || event.keyCode === 229) return; // the Enter that ends a composition
  event.preventDefault();
  if (mine($("#act"))) $("#composer").requestSubmit();
});
on("DOMContentLoaded", () => {
  if (!$(".app")) return;
  tabs();
  watchLog();
});
}
