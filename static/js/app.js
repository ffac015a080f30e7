// What the server cannot do: panes, theme, scrolling, the composer's draft, the state of the
// connection. Everything that is content comes as HTML. Listeners stand on the document, so that
// they hold for what is swapped in later and are there before htmx begins.
(() => {
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const on = (names, run) =>
    names.split(" ").forEach((name) => document.addEventListener(name, run));
  const store = (area, key, value) => { // undefined reads, null forgets
    try {
      const box = window[`${area}Storage`];
      if (value === undefined) return box[key];
      if (value === null) delete box[key]; else box[key] = value;
    } catch { return undefined; }
  };
  const say = (text) => { $("#announce").textContent = text; };
  const narrow = () => matchMedia("(max-width: 860px)").matches;

  // ---- theme and panes
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = (choice) => {
    if (choice === "system") delete root.dataset.theme; else root.dataset.theme = choice;
    store("local", "theme", choice === "system" ? null : choice);
    showTheme();
  };
  const showTheme = () => {
    const input = $(`[name=theme][value=${root.dataset.theme ?? "system"}]`);
    if (input) input.checked = true;
  };
  const switchTheme = () => { // back at what the system says, the choice is forgotten
    const next = (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
    theme(next === (dark.matches ? "dark" : "light") ? "system" : next);
  };
  const chatShown = () => root.dataset.chat !== "off";
  const showChat = (shown) => {
    if (shown) delete root.dataset.chat; else root.dataset.chat = "off";
    store("local", "chatOff", shown ? null : "1");
    $("#chat-toggle").setAttribute("aria-pressed", String(shown));
  };
  const widest = () => Math.max(320, Math.min(720, Math.floor(innerWidth / 2)));
  const width = (px) => { // of the chat
    px = Math.round(Math.max(320, Math.min(widest(), px)));
    root.style.setProperty("--chat", `${px}px`);
    store("local", "chat", px);
    tellWidth(px);
  };
  const tellWidth = (px) => {
    $("#split").setAttribute("aria-valuenow", px);
    $("#split").setAttribute("aria-valuemax", widest());
  };
  const splitter = (split) => {
    const now = () => $("#chat").offsetWidth;
    split.addEventListener("pointerdown", (event) => {
      split.setPointerCapture(event.pointerId);
      split.dataset.drag = "";
    });
    split.addEventListener("pointermove", (event) => {
      if ("drag" in split.dataset) width(innerWidth - event.clientX);
    });
    split.addEventListener("lostpointercapture", () => { delete split.dataset.drag; });
    split.addEventListener("dblclick", () => width(448));
    split.addEventListener("keydown", (event) => {
      const to = {ArrowLeft: now() + 16, ArrowRight: now() - 16, Home: 320, End: 720}[event.key];
      if (to === undefined) return;
      event.preventDefault();
      width(to);
    });
    tellWidth(now());
  };
  const pane = (id) => $(id).scrollIntoView({inline: "start", block: "nearest", behavior: "instant"});
  const watchPanes = () => { // the tab of the pane one sees
    const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
      if (entry.intersectionRatio < 0.6) return;
      for (const tab of document.querySelectorAll(".tabs a"))
        if (tab.hash === `#${entry.target.id}`) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
    }), {threshold: 0.6});
    watcher.observe($("#main"));
    watcher.observe($("#chat"));
  };

  // ---- menus: the browser opens and closes them; arrows move in them
  on("keydown", (event) => {
    const menu = event.target.closest?.("[popover]");
    if (!menu) return;
    const items = [...menu.querySelectorAll(".opt, input")];
    const at = items.indexOf(event.target);
    const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1}[event.key];
    if (to === undefined || event.target.matches("input")) return;
    event.preventDefault();
    items.at(to % items.length)?.focus();
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("[popover]") && event.newState === "open")
      ($(".opt[aria-current], .opt[aria-pressed=true]", event.target) ?? $(".opt", event.target))?.focus();
  }, true);

  // ---- the log: it follows at its end, and only there
  let pinned = true, lastTop = 0, log;
  const gap = () => log.scrollHeight - log.clientHeight - log.scrollTop;
  const follow = () => {
    if (pinned) log.scrollTop = log.scrollHeight;
    else if (gap() > 2) $("#jump").hidden = false;
    lastTop = log.scrollTop;
  };
  const watchLog = () => {
    log = $("#log");
    log.addEventListener("scroll", () => {
      if (gap() <= 2) { pinned = true; $("#jump").hidden = true; }
      else if (log.scrollTop < lastTop - 1) pinned = false;
      lastTop = log.scrollTop;
    });
    const away = () => { if (log.scrollTop > 0) pinned = false; }; // before the first pixel moves
    log.addEventListener("wheel", (event) => { if (event.deltaY < 0) away(); }, {passive: true});
    log.addEventListener("keydown", (event) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key)) away();
    });
    const watcher = new ResizeObserver(follow);
    watcher.observe(log);
    watcher.observe($("#log-items"));
    follow();
  };
  const jump = () => { pinned = true; follow(); $("#jump").hidden = true; log.focus(); };

  // ---- seconds, counted from 2 s on; the server says since when
  setInterval(() => {
    for (const place of document.querySelectorAll("[data-since]")) {
      const seconds = Math.floor(Date.now() / 1000 - place.dataset.since);
      if (seconds < 2) continue;
      place.textContent = `${place.dataset.before ?? ""}${seconds} s`;
      place.hidden = false;
    }
  }, 250);

  // ---- copying
  const copy = async (button) => {
    const name = button.dataset.copy;
    const source = name ? document.getElementById(name) : $("pre, code", button.closest(".code, .cmd"));
    try {
      await navigator.clipboard.writeText(source ? source.innerText.trim() : name);
      say("Copied.");
      button.dataset.copied = "";
      setTimeout(() => delete button.dataset.copied, 1500);
    } catch { say("The browser did not allow copying."); }
  };

  // ---- the composer: its draft survives everything until the server has it
  const text = () => $("#text");
  const draftKey = () => `draft ${$("#composer").action}`;
  const keep = () => store("session", draftKey(), text().value || null);
  const write = (value) => {
    text().value = value;
    keep();
  };
  const putBack = (value) => {
    const typed = text().value;
    write(typed && typed !== value ? `${value}\n${typed}` : value);
    text().focus();
  };
  const secret = () => Array.from(crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");
  let failed = {}; // sent again unchanged, a question keeps its name and is stored once
  const told = (name, sentence) => {
    const box = $("#connection");
    box.replaceChildren($(`#say-${name}`).content.cloneNode(true));
    if (sentence) $("p", box).textContent = sentence;
    htmx.process(box);
    shown = name;
  };
  const quiet = (...names) => {
    if (!names.includes(shown)) return;
    $("#connection").replaceChildren();
    shown = "";
  };
  let shown = "";
  const sending = (form, ctx) => {
    const value = text().value;
    const id = failed.value === value ? failed.id : secret();
    ctx.sent = {value, id};
    ctx.request.body.set("client_id", id);
  };
  const showSent = ({value, id}) => {
    const row = document.createElement("article");
    Object.assign(row, {id: `u-${id}`, className: "msg user", ariaLabel: "You", textContent: value});
    $("#log-items").append(row);
    write("");
    quiet("unsent", "busy");
    pinned = true;
    follow();
  };
  const unsent = ({value, id}, name, sentence) => {
    document.getElementById(`u-${id}`)?.remove();
    failed = {value, id};
    putBack(value);
    told(name, sentence);
  };

  // ---- the stream, and what is said about it
  let connection, lost, gone, over = false, refetch;
  const live = () => $("#live");
  const seen = (status) => { // 401 and 404 are final: no watchdog, and the page says so
    if (status !== 401 && status !== 404) return false;
    over = true;
    found();
    told(status === 401 ? "signed-out" : "deleted");
    setTimeout(() => live()?.remove());
    return true;
  };
  const losing = () => {
    if (over || document.hidden) return;
    lost ??= setTimeout(() => told("lost"), 3000);
    gone ??= setTimeout(() => showGone(true), 30000);
  };
  const found = () => {
    clearTimeout(lost);
    clearTimeout(gone);
    lost = gone = undefined;
    showGone(false);
    if (shown !== "lost") return;
    told("back");
    setTimeout(() => quiet("back"), 4000);
  };
  const showGone = (away) => {
    const page = $("#gone");
    if (page.hidden === !away) return;
    page.hidden = !away;
    $(".app").inert = away;
    if (away) page.focus();
  };
  const retry = () => {
    if (connection?.delayCanceller) connection.delayCanceller();
    else live()?.dispatchEvent(new Event("retry"));
  };
  on("htmx-sse-before-connection", (event) => {
    connection = event.detail.connection;
    if (over) event.preventDefault();
  });
  on("htmx-sse-after-connection", () => {
    found();
    if (refetch) getAgain();
  });
  on("htmx-sse-error", (event) => { if (!seen(event.detail.status)) losing(); });
  on("htmx-sse-close", () => { connection = undefined; });

  // ---- requests
  const noAnswer = (path, name) => { // the click was counted; only the page is missing
    refetch = path;
    const page = $("#say-no-answer").content.cloneNode(true);
    $("[data-path]", page).textContent = path;
    $("#main").replaceChildren(page);
    if (name) $("#place").textContent = name;
    arrived();
  };
  const getAgain = () => {
    const path = refetch;
    refetch = undefined;
    htmx.ajax("GET", path, {source: "#main", target: "#main", push: path});
  };
  const arrived = () => {
    const main = $("#main");
    main.scrollTop = 0;
    if (narrow()) pane("#main");
    const title = $("[autofocus]", main) ?? $("h1", main);
    if (title?.tagName === "H1") title.tabIndex = -1;
    title?.focus({preventScroll: true});
  };
  const invite = () => { text().placeholder = $("#place").dataset.ask; };

  on("htmx-config-request", (event) => {
    const {ctx} = event.detail;
    if (ctx.sourceElement.id === "composer") {
      if (!text().value.trim()) event.preventDefault();
      else sending(ctx.sourceElement, ctx);
    }
    // back and forward ask for a whole page: what names the place lies outside #main
    if (ctx.request.headers["HX-History-Restore-Request"])
      ctx.selectOOB = "#place,#tab,#menu:innerHTML";
  });
  on("htmx-before-request", (event) => {
    const {ctx} = event.detail;
    // nobody looks: no stream, no arrival. It begins when the page is shown.
    if (ctx.sourceElement === live() && (document.hidden || over)) event.preventDefault();
    if (ctx.sent) showSent(ctx.sent);
  });
  on("htmx-after-request", (event) => {
    const {ctx} = event.detail, {status} = ctx.response, from = ctx.sourceElement;
    if (from === live()) { if (!seen(status)) losing(); return; }
    if (ctx.sent && status < 400) failed = {};
    if (ctx.sent && status >= 400) unsent(ctx.sent, status === 409 ? "busy" : "unsent", sentence(ctx));
    else if (from.id === "cancel" && status === 200) putBack(ctx.text);
    else if (status >= 400 && from.closest(".chat")) told("unsent", sentence(ctx));
    else return;
    event.preventDefault(); // plain text, never to be swapped
  });
  const sentence = ({response, text}) =>
    response.headers.get("Content-Type")?.startsWith("text/plain") && text.length < 300 ? text : "";
  on("htmx-error", (event) => {
    const {ctx} = event.detail;
    if (!ctx) return;
    const from = ctx.sourceElement;
    if (from === live()) { losing(); setTimeout(retry, 2000); }
    else if (ctx.sent) unsent(ctx.sent, "unsent");
    else if (ctx.target?.id === "main" && from.href)
      noAnswer(new URL(from.href).pathname + new URL(from.href).search, from.firstChild.textContent);
    else if (from.id === "main") noAnswer(ctx.request.action);
  });
  on("htmx-before-swap", (event) => {
    const {ctx, tasks} = event.detail;
    for (const {target, fragment, type} of tasks) {
      // a run drawn again because of another tab: what is half typed here is not thrown away
      const dirty = type === "main" && ctx.request?.method === "GET" && target?.id?.startsWith("run-")
        && [...target.querySelectorAll("input, textarea, select")].find((field) => edited(field));
      if (dirty && !(dirty.id && fragment.getElementById?.(dirty.id))) event.preventDefault();
    }
    if (ctx.sourceElement.closest?.("#earlier")) fromEnd = log.scrollHeight - log.scrollTop;
  });
  let fromEnd;
  const edited = (field) => field.type !== "hidden" && (field.options
    ? [...field.options].some((option) => option.selected !== option.defaultSelected)
    : field.type === "file" ? field.files.length > 0
      : field.value !== field.defaultValue || field.checked !== field.defaultChecked);
  on("htmx-after-swap", (event) => {
    const {ctx} = event.detail;
    if (fromEnd !== undefined) { // earlier messages came in above: the reader stays where they were
      log.scrollTop = log.scrollHeight - fromEnd;
      fromEnd = undefined;
    }
    if (ctx.target?.id !== "main") return;
    refetch = undefined;
    invite();
    if (!ctx.swap.startsWith("after")) arrived();
  });

  // ---- clicks and keys
  on("click", (event) => {
    const hit = event.target.closest?.("[data-do], [data-copy], .tabs a, .menu a, #theme, #chat-toggle, #jump");
    if (!hit) return;
    if ("copy" in hit.dataset) copy(hit);
    else if (hit.dataset.do === "retry") retry();
    else if (hit.dataset.do === "refetch") getAgain();
    else if (hit.id === "theme") switchTheme();
    else if (hit.id === "chat-toggle") showChat(!chatShown());
    else if (hit.id === "jump") jump();
    else if (hit.closest(".tabs")) { event.preventDefault(); pane(hit.hash); }
    else if (!(event.ctrlKey || event.metaKey || event.shiftKey)) $("#menu").hidePopover();
  });
  on("change", (event) => { if (event.target.name === "theme") theme(event.target.value); });
  on("input", (event) => { if (event.target.id === "text") keep(); });
  on("keydown", (event) => {
    if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey) return;
    if (event.isComposing || event.keyCode === 229) return; // the Enter that ends a composition
    event.preventDefault();
    if ($("#act").form?.id === "composer") $("#composer").requestSubmit();
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (!$(".app")) return;
    showTheme();
    showChat(chatShown());
    splitter($("#split"));
    watchPanes();
    watchLog();
    if (store("session", draftKey())) text().value = store("session", draftKey());
    addEventListener("pageshow", (event) => { if (event.persisted) retry(); });
  });
})();
