"use strict";
// Asks the zone for what exists, once a second while the page is looked at, and shows it. Everything goes in as text.

// What exists stands in the first column, what happens in the second. Of each value: its key, its title, and its share of
// the width, so that nothing jumps about when something comes or goes.
const COLUMNS = [
  [
    ["machines", "Virtual machines", [["name", "Name", 20], ["state", "State", 10], ["addresses", "Address", 14], ["networks", "Network", 13], ["template", "Template", 12], ["offering", "Offering", 12], ["host", "Host", 6], ["account", "Account", 13]]],
    ["networks", "Networks", [["name", "Name", 30], ["state", "State", 16], ["range", "Range", 16], ["source_nat", "Source NAT", 14], ["machines", "Machines", 11], ["account", "Account", 13]]],
    ["rules", "Rules", [["kind", "Kind", 17], ["network", "Network", 12], ["traffic", "Traffic", 23], ["from", "From", 16], ["to", "To", 23], ["state", "State", 9]]],
    ["templates", "Templates", [["name", "Name", 46], ["state", "State", 14], ["kind", "Kind", 14], ["created", "Created", 13], ["account", "Account", 13]]],
  ],
  [
    ["jobs", "Jobs", [["created", "Began", 17], ["command", "Command", 46], ["state", "State", 22], ["took", "Took", 15]]],
    ["events", "Events", [["created", "When", 17], ["kind", "Kind", 61], ["state", "State", 22]]],
  ],
];

const GOOD = new Set(["Running", "Implemented", "Active", "Ready", "Succeeded"]);
const BUSY = new Set(["Starting", "Stopping", "Implementing", "Shutdown", "Expunging", "Add", "Staged", "Deleting", "Pending", "Being made"]);
const BAD = new Set(["Error", "Failed"]);

function element(name, text, classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function shown(value, column) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  if (column === "created") return new Date(value).toLocaleTimeString([], { hour12: false });
  return String(value);
}

function look(state) {
  return GOOD.has(state) ? "good" : BUSY.has(state) ? "busy" : BAD.has(state) ? "bad" : "";
}

// Ids within a sentence become names where their things are shown, and else are cut short.
function named(text, names) {
  return text.replace(/([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id, start) => names.get(id) ?? `${start}…`);
}

function cell(line, title, text, classes) {
  const made = element("td", text, classes);
  made.dataset.title = title;
  line.append(made);
  return made;
}

function table(columns, rows, names) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const [, title, width] of columns) {
    const heading = element("th", title);
    heading.scope = "col";
    heading.style.width = `${width}%`;
    head.append(heading);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [column, title] of columns) {
      const classes = column === "state" ? look(row.state) : column === "name" ? "name" : "";
      const value = cell(line, title, shown(row[column], column), classes);
      if (column === "name") value.title = row.id;
      if (column === "created") value.title = row.created;
    }
    // Sentences have a line to themselves.
    const [title, text, classes] = row.error ? ["Error", row.error, "bad"] : ["What", row.description, "faint"];
    if (!text) continue;
    const more = body.insertRow();
    more.className = "more";
    const sentence = cell(more, title, named(text, names), classes);
    sentence.colSpan = columns.length;
    sentence.title = text;
  }
  return made;
}

// How many there are of each state, where they are not all in one.
function states(rows) {
  const counts = new Map();
  for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts.size < 2 ? [] : [...counts];
}

function section([key, title, columns], listed, names) {
  const made = element("section");
  made.id = key;
  const heading = element("h2", title + " ");
  const { total, rows } = listed;
  heading.append(element("small", rows.length < total ? `${total}, the newest ${rows.length} shown` : String(total)));
  if (key === "machines" && rows.length === total) {
    for (const [state, count] of states(rows)) {
      const counted = element("small", ` · ${count} `);
      counted.append(element("span", state, look(state)));
      heading.append(" ", counted);
    }
  }
  made.append(heading, rows.length ? table(columns, rows, names) : element("p", "none", "none"));
  return made;
}

function column(sections, overview, names) {
  const made = element("div");
  made.append(...sections.map((of) => section(of, overview[of[0]], names)));
  return made;
}

let last = "";

async function refresh() {
  const state = document.getElementById("state");
  try {
    const response = await fetch("/devcloud/overview", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const overview = await response.json();
    const { now, ...rest } = overview;
    const text = JSON.stringify(rest);
    // What has not changed stays, and with it what is selected on it.
    if (text !== last) {
      last = text;
      document.title = `${overview.zone} · devcloud`;
      document.getElementById("zone").textContent = overview.zone;
      const names = new Map(["machines", "networks", "templates"].flatMap((kind) => overview[kind].rows.map(({ id, name }) => [id, name])));
      document.getElementById("tables").replaceChildren(...COLUMNS.map((sections) => column(sections, overview, names)));
    }
    const faults = overview.faults ? " · faults are set" : "";
    state.className = "";
    state.textContent = `${overview.driver} · ${overview.addresses.taken} of ${overview.addresses.total} public addresses taken${faults} · ${shown(now, "created")}`;
  } catch (error) {
    state.className = "lost";
    state.textContent = `the zone does not answer (${error.message}); this is what it said last`;
  }
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
watch();
