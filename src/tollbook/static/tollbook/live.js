// Keeps bars and balances moving without a reload. The page is complete without this file.
//
// An element with data-stream="URL" names the stream. Events: `gauges` with {as_of, as_of_text, wallets: [row]} (every
// row on connecting, then those that changed) and `tick` with {as_of, as_of_text}. A row's `text` values fill the
// [data-live=name] elements in (or on) [data-wallet=type]; its shares move the bar. While the tab is hidden the stream
// is closed, because a browser allows few connections per site.
(() => {
  "use strict";

  const source = document.querySelector("[data-stream]");
  if (!source || !("EventSource" in window)) return;

  const FIRST_WAIT = 1000;
  const LONGEST_WAIT = 30000;
  const SILENCE = 45000;
  const SUMMARY_EVERY = 60000;

  const status = source.querySelector("[data-live-status]");
  const summary = document.querySelector("[data-live-summary]");
  const told = new Map();
  const moved = new Map();
  let stream = null;
  let wait = FIRST_WAIT;
  let retry = 0;
  let watch = 0;
  let lastSummary = Date.now();

  const say = (state, text) => {
    source.dataset.state = state;
    if (status.textContent !== text) status.textContent = text;
  };

  const fill = (element, row) => {
    const text = row.text?.[element.dataset.live];
    if (text !== undefined && element.textContent !== text) element.textContent = text;
  };

  const set = (element, name, value) => {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  const moveBar = (gauge, row) => {
    const held = gauge.querySelector("[data-bar=held]");
    const mark = gauge.querySelector("[data-bar=mark]");
    set(gauge.querySelector("[data-bar=used]"), "width", `${row.used_share}%`);
    set(held, "x", `${row.used_share}%`);
    set(held, "width", `${row.held_share}%`);
    if (mark) {
      if (row.refill_mark === null) mark.setAttribute("display", "none");
      else {
        mark.removeAttribute("display");
        set(mark, "x", `${row.refill_mark}%`);
      }
    }
    const meter = gauge.querySelector("[role=meter]");
    set(meter, "aria-valuenow", `${row.used_share}`);
    set(meter, "aria-valuetext", [row.text.percent, row.text.held].filter(Boolean).join(", "));
  };

  const show = (row) => {
    document.querySelectorAll(`[data-wallet="${CSS.escape(row.type)}"]`).forEach((element) => {
      if (element.dataset.state) element.dataset.state = row.state;
      if (element.dataset.live) fill(element, row);
      element.querySelectorAll("[data-live]").forEach((inner) => fill(inner, row));
      if (element.querySelector("[data-bar]")) moveBar(element, row);
    });
    const known = told.get(row.type);
    if (known === undefined) told.set(row.type, row.text.percent);
    else if (known !== row.text.percent) moved.set(row.type, row);
  };

  const summarise = () => {
    if (!summary || moved.size === 0 || Date.now() - lastSummary < SUMMARY_EVERY) return;
    summary.textContent = [...moved.values()].map((row) => `${row.name} ${row.text.percent}, ${row.text.left}.`).join(" ");
    moved.forEach((row, type) => told.set(type, row.text.percent));
    moved.clear();
    lastSummary = Date.now();
  };

  const heard = (event) => {
    const data = JSON.parse(event.data);
    wait = FIRST_WAIT;
    say("live", `Live · as of ${data.as_of_text ?? data.as_of}`);
    (data.wallets ?? []).forEach(show);
    summarise();
    if (event.type === "tick") expectMore();
  };

  // A proxy can keep a dead connection open. Once the server has shown that it ticks, silence means a broken line.
  const expectMore = () => {
    clearTimeout(watch);
    watch = setTimeout(reconnect, SILENCE);
  };

  const disconnect = () => {
    clearTimeout(retry);
    clearTimeout(watch);
    stream?.close();
    stream = null;
  };

  const reconnect = () => {
    disconnect();
    say("lost", "Reconnecting...");
    retry = setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };

  const connect = () => {
    disconnect();
    stream = new EventSource(source.dataset.stream);
    stream.addEventListener("gauges", heard);
    stream.addEventListener("tick", heard);
    stream.addEventListener("error", reconnect);
  };

  const follow = () => (document.hidden ? disconnect() : connect());
  document.addEventListener("visibilitychange", follow);
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (event) => event.persisted && follow());
  window.addEventListener("online", follow);
  follow();
})();
