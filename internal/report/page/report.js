"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = id => document.getElementById(id);
  const make = (tag, text, cls) => {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };
  const pad = n => String(n).padStart(2, "0");
  const clock = t => t ? new Date(t * 1000).toISOString().slice(11, 16) : "";
  const spoken = s => {
    if (!s) return "–";
    if (s < 10) return s.toFixed(1) + " s";
    if (s < 100) return Math.round(s) + " s";
    if (s < 3600) return Math.round(s / 60) + " min";
    const m = Math.round(s / 60);
    if (m < 2880) return Math.floor(m / 60) + " h " + pad(m % 60) + " min";
    const h = Math.round(s / 3600);
    return Math.floor(h / 24) + " d " + h % 24 + " h";
  };
  const words = new Intl.Collator("en", {numeric: true, sensitivity: "base"});
  const compare = (a, b) => typeof a === "number" ? a - b : words.compare(a, b);

  // A head whose buttons sort; state is {key, down}.
  function head(table, columns, state, redraw) {
    const row = make("tr");
    for (const c of columns) {
      const th = make("th", undefined, "sorts " + (c.cls || ""));
      th.scope = "col";
      const b = make("button", c.title);
      b.type = "button";
      b.addEventListener("click", () => {
        state.down = state.key === c.key ? !state.down : !!c.down;
        state.key = c.key;
        mark();
        redraw();
      });
      th.dataset.key = c.key;
      th.append(b);
      row.append(th);
    }
    const mark = () => {
      for (const th of row.children) {
        if (th.dataset.key === state.key) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else th.removeAttribute("aria-sort");
      }
    };
    mark();
    table.tHead.replaceChildren(row);
  }

  function sorted(rows, state) {
    const sign = state.down ? -1 : 1;
    return rows.slice().sort((a, b) => sign * compare(a[state.key], b[state.key]) || a.i - b.i);
  }

  // The groups.
  const groupState = {key: "i", down: false};
  const groupColumns = [
    {key: "name", title: "Name"}, {key: "total", title: "Total", cls: "n", down: true}, {key: "back", title: "Back", cls: "n", down: true},
    {key: "down", title: "To do", cls: "n wide", down: true}, {key: "failed", title: "Failed", cls: "n", down: true}, {key: "left", title: "Left", cls: "n", down: true},
    {key: "notOurs", title: "Not ours", cls: "n wide", down: true}, {key: "medianDowntimeSeconds", title: "Typical downtime", cls: "n wide", down: true}, {key: "longestDowntimeSeconds", title: "Longest", cls: "n wide", down: true},
  ];
  let group = "kinds";
  for (const name of ["kinds", "projects", "owners"]) data[name].forEach((g, i) => { g.i = i; });
  function drawGroups() {
    const find = $("group-find").value.toLowerCase();
    const rows = sorted(data[group].filter(g => g.name.toLowerCase().includes(find)), groupState);
    const body = document.createDocumentFragment();
    for (const g of rows.slice(0, 500)) {
      const tr = make("tr");
      const th = make("th");
      th.scope = "row";
      const b = make("button", g.name, "link");
      b.type = "button";
      b.title = "Show its executions";
      b.addEventListener("click", () => choose(g.name));
      th.append(b);
      tr.append(th);
      for (const c of groupColumns.slice(1)) {
        const td = make("td", undefined, c.cls);
        const value = c.key.endsWith("Seconds") ? spoken(g[c.key]) : g[c.key];
        td.append(c.key === "failed" && g.failed ? make("span", value, "pill bad") : make("span", value, value === 0 ? "zero" : ""));
        tr.append(td);
      }
      body.append(tr);
    }
    $("group-table").tBodies[0].replaceChildren(body);
    const n = data[group].length;
    $("group-count").textContent = (rows.length < n ? rows.length + " of " : "") + n + (rows.length > 500 ? ", 500 shown" : "");
  }
  function choose(name) {
    clear();
    if (group === "kinds") $("by-kind").value = name;
    else only = {key: group === "projects" ? "project" : "owner", name};
    drawRows();
    $("executions").scrollIntoView();
    $("find").focus({preventScroll: true});
  }
  for (const b of document.querySelectorAll("[data-group]")) {
    b.addEventListener("click", () => {
      group = b.dataset.group;
      for (const o of document.querySelectorAll("[data-group]")) o.setAttribute("aria-pressed", String(o === b));
      groupState.key = "i"; groupState.down = false;
      head($("group-table"), groupColumns, groupState, drawGroups);
      drawGroups();
    });
  }
  head($("group-table"), groupColumns, groupState, drawGroups);
  $("group-find").addEventListener("input", drawGroups);

  // The executions: rows are made as they come into sight, 200 at a time.
  const keys = data.columns;
  const rows = data.rows.map((r, i) => {
    const e = {i};
    keys.forEach((k, n) => { e[k] = r[n]; });
    e.kind = data.kindNames[e.kind];
    e.outcomeRank = e.outcome;
    e.outcome = data.outcomes[e.outcomeRank].name;
    e.project = data.projectNames[e.project];
    e.owner = data.ownerNames[e.owner];
    e.reason = data.reasons[e.reason];
    e.find = [e.name, e.project, e.owner, e.id, e.reason, e.kind].join("\n").toLowerCase();
    return e;
  });
  const rowState = {key: "outcomeRank", down: false};
  const rowColumns = [
    {key: "name", title: "Name", cls: "c-name"}, {key: "kind", title: "Kind", cls: "c-kind"}, {key: "project", title: "Project", cls: "c-project"},
    {key: "owner", title: "Owner", cls: "c-owner"}, {key: "outcomeRank", title: "Outcome", cls: "c-outcome"}, {key: "asked", title: "Down", cls: "c-down n"},
    {key: "up", title: "Back", cls: "c-up n"}, {key: "downtime", title: "Downtime", cls: "c-downtime n", down: true},
  ];
  const step = 200;
  let shown = [], drawn = 0, only = null;
  function row(e) {
    const tr = make("tr");
    const th = make("th", e.name, "c-name");
    th.scope = "row";
    th.title = e.id;
    th.append(make("span", e.kind + " in " + e.project + (e.owner ? " · " + e.owner : ""), "where"));
    if (e.reason) th.append(make("span", e.reason, "reason"));
    const outcome = make("td", undefined, "c-outcome");
    outcome.append(make("span", e.outcome, "pill " + data.outcomes[e.outcomeRank].mood));
    tr.append(th, make("td", e.kind, "c-kind"), make("td", e.project, "c-project"), make("td", e.owner, "c-owner"), outcome,
      make("td", clock(e.asked), "c-down n"), make("td", clock(e.up), "c-up n"), make("td", spoken(e.downtime), "c-downtime n"));
    return tr;
  }
  function append(to) {
    const body = document.createDocumentFragment();
    for (; drawn < Math.min(to, shown.length); drawn++) body.append(row(shown[drawn]));
    $("table").tBodies[0].append(body);
    const rest = shown.length - drawn;
    $("more").hidden = rest === 0;
    $("more").textContent = "Show " + Math.min(step, rest) + " more of " + rest;
  }
  function drawRows() {
    const find = $("find").value.trim().toLowerCase(), outcome = $("by-outcome").value, kind = $("by-kind").value;
    shown = sorted(rows.filter(e => (!find || e.find.includes(find)) && (!outcome || e.outcome === outcome) && (!kind || e.kind === kind) && (!only || e[only.key] === only.name)), rowState);
    drawn = 0;
    $("table").tBodies[0].replaceChildren();
    append(step);
    if (!shown.length) {
      const none = make("td", rows.length ? "Nothing matches." : "Nothing ran.");
      none.colSpan = rowColumns.length;
      $("table").tBodies[0].append(make("tr"));
      $("table").tBodies[0].rows[0].append(none);
    }
    $("clear").hidden = !(find || outcome || kind || only);
    $("count").textContent = (shown.length < rows.length ? shown.length + " of " : "") + rows.length + (rows.length === 1 ? " execution" : " executions") + (only ? ", " + only.key + " " + only.name : "");
  }
  function clear() {
    $("find").value = $("by-outcome").value = $("by-kind").value = "";
    only = null;
  }
  data.outcomes.forEach(o => { if (o.count) $("by-outcome").append(new Option(o.name + " (" + o.count + ")", o.name)); });
  data.kindNames.forEach(k => $("by-kind").append(new Option(k, k)));
  head($("table"), rowColumns, rowState, drawRows);
  $("find").addEventListener("input", drawRows);
  $("by-outcome").addEventListener("change", drawRows);
  $("by-kind").addEventListener("change", drawRows);
  $("clear").addEventListener("click", () => { clear(); drawRows(); $("find").focus(); });
  $("more").addEventListener("click", () => append(drawn + step));
  const end = new IntersectionObserver(seen => {
    if (!seen.some(s => s.isIntersecting) || $("more").hidden) return;
    append(drawn + step);
    requestAnimationFrame(() => { end.unobserve($("more")); end.observe($("more")); }); // it tells of changes only: who has scrolled on meanwhile made none
  }, {rootMargin: "600px"});
  end.observe($("more"));
  // Paper cannot scroll: all that is chosen, as far as that makes sense.
  addEventListener("beforeprint", () => { append(2000); for (const d of document.querySelectorAll("details")) d.open = true; });
  addEventListener("keydown", k => {
    if (k.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { k.preventDefault(); $("find").focus(); }
    if (k.key === "Escape" && document.activeElement === $("find")) { clear(); drawRows(); }
  });
  drawGroups();
  drawRows();

  // What a bar of the timeline stands for, under the pointer.
  const lanes = {};
  for (const e of rows) if (e.lane >= 0) (lanes[e.kind] ||= [])[e.lane] = e;
  for (const svg of document.querySelectorAll(".gantt")) {
    const lane = lanes[svg.dataset.kind] || [];
    svg.addEventListener("pointermove", p => {
      const box = svg.getBoundingClientRect();
      const e = lane[Math.floor((p.clientY - box.top) / box.height * lane.length)];
      if (!e) return;
      const tip = $("tip");
      tip.textContent = e.name + ", " + e.project + ": down " + clock(e.asked) + (e.up ? ", back " + clock(e.up) + ", " + spoken(e.downtime) : ", " + e.outcome);
      tip.hidden = false;
      tip.style.left = Math.min(p.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
      tip.style.top = (p.clientY + 18 + tip.offsetHeight > innerHeight ? p.clientY - 12 - tip.offsetHeight : p.clientY + 18) + "px";
    });
    svg.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  }
})();
