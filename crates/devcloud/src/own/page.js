"use strict";
// Asks the zone for what exists, once a second while the page is looked at, and shows it. Everything goes in as text.

const TABLES = [
  ["machines", "Virtual machines", [["name", "Name"], ["state", "State"], ["addresses", "Addresses"], ["networks", "Networks"], ["template", "Template"], ["offering", "Service offering"], ["host", "Host"], ["account", "Account"]]],
  ["networks", "Networks", [["name", "Name"], ["state", "State"], ["range", "Range"], ["source_nat", "Source NAT"], ["machines", "Machines"], ["account", "Account"]]],
  ["rules", "Rules", [["kind", "Kind"], ["network", "Network"], ["traffic", "Traffic"], ["from", "From"], ["to", "To"], ["state", "State"]]],
  ["templates", "Templates", [["name", "Name"], ["state", "State"], ["kind", "Kind"], ["created", "Created"], ["account", "Account"]]],
  ["jobs", "Jobs", [["created", "Began"], ["command", "Command"], ["state", "State"], ["took", "Took"], ["error", "Error"], ["account", "Account"]]],
  ["events", "Events", [["created", "When"], ["kind", "Kind"], ["state", "State"], ["description", "What"], ["account", "Account"]]],
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

function look(value, column) {
  if (column === "error") return "bad";
  if (column !== "state") return "";
  return GOOD.has(value) ? "good" : BUSY.has(value) ? "busy" : BAD.has(value) ? "bad" : "";
}

function table(columns, rows) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const [, title] of columns) {
    const cell = element("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [column] of columns) {
      const cell = element("td", shown(row[column], column), look(row[column], column));
      if (column === "name" && row.id) cell.title = row.id;
      if (column === "created") cell.title = row.created;
      line.append(cell);
    }
  }
  const scroll = element("div", undefined, "scroll");
  scroll.append(made);
  return scroll;
}

function section([key, title, columns], listed) {
  const made = element("section");
  made.id = key;
  const heading = element("h2", title + " ");
  const { total, rows } = listed;
  heading.append(element("small", rows.length < total ? `${total}, the newest ${rows.length} shown` : String(total)));
  made.append(heading, rows.length ? table(columns, rows) : element("p", "none", "none"));
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
      document.getElementById("tables").replaceChildren(...TABLES.map((table) => section(table, overview[table[0]])));
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
