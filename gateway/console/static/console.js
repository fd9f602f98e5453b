// What the console does in the browser: follow the live stream, move by keys, send no form twice.
// Every page works without this file.
(function () {
  "use strict";

  // --- live ---------------------------------------------------------------------------------------------------
  // One stream a visible page; a hidden page closes it, since a browser opens only six connections to one place.
  var stream = null;
  var stale = {};
  var lamp = document.querySelector(".live");

  function show(state) {
    if (lamp) lamp.dataset.state = state;
  }

  function followers(topic) {
    return Array.prototype.filter.call(document.querySelectorAll("[data-live]"), function (element) {
      return element.dataset.live.split(" ").indexOf(topic) >= 0;
    });
  }

  function topics() {
    var found = {};
    document.querySelectorAll("[data-live]").forEach(function (element) {
      element.dataset.live.split(" ").forEach(function (topic) { found[topic] = true; });
    });
    return Object.keys(found);
  }

  function busy(element) {
    var selection = window.getSelection();
    if (selection && !selection.isCollapsed && element.contains(selection.anchorNode)) return true;
    var active = document.activeElement;
    return !!(active && element.contains(active) && /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName));
  }

  function refresh(element) {
    if (!element.isConnected) return;
    if (element.dataset.loading || busy(element)) {
      // Somebody is reading or copying just here: look again when they are done.
      if (!element.dataset.again) {
        element.dataset.again = "1";
        setTimeout(function () { delete element.dataset.again; refresh(element); }, 1000);
      }
      return;
    }
    element.dataset.loading = "1";
    window.htmx.ajax("GET", element.dataset.url, {
      source: element, target: element, swap: "innerHTML", headers: { "X-Live": "1" }
    }).catch(function () { show("off"); }).then(function () {
      delete element.dataset.loading;
    });
  }

  // What somebody has unfolded stays so: a table under its chart.
  var unfolded = [];
  function folds(element) { return Array.prototype.slice.call(element.querySelectorAll("details[data-fold]")); }

  // The row somebody stands on stays theirs; where they have gone meanwhile, they are not called back from.
  var stood = null;
  document.addEventListener("htmx:beforeSwap", function (event) {
    var row = currentRow(), element = event.detail.target;
    unfolded = folds(element).filter(function (each) { return each.open; }).map(function (each) { return each.dataset.fold; });
    stood = row && element.contains(row) ? { key: row.dataset.row, inside: element.contains(document.activeElement) } : null;
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    folds(event.detail.target).forEach(function (each) {
      if (unfolded.indexOf(each.dataset.fold) >= 0) each.open = true;
    });
    if (!stood) return;
    var key = stood.key;
    select(Array.prototype.filter.call(rows(), function (each) { return each.dataset.row === key; })[0], !stood.inside);
    stood = null;
  });

  function hinted(topic) {
    if (document.hidden) { stale[topic] = true; return; }
    followers(topic).forEach(refresh);
  }

  function connect() {
    var wanted = topics();
    if (stream || !wanted.length || !window.EventSource || !document.body.hasAttribute("data-events")) return;
    stream = new EventSource("/events?topics=" + encodeURIComponent(wanted.join(",")));
    stream.onopen = function () { show("on"); };
    stream.onerror = function () {
      show("off");
      if (stream && stream.readyState === EventSource.CLOSED) {
        stream = null;
        setTimeout(connect, 15000);
      }
    };
    stream.addEventListener("signed-out", function () {
      disconnect();
      window.location.href = "/sign-in?next=" + encodeURIComponent(window.location.pathname + window.location.search);
    });
    wanted.forEach(function (topic) {
      stream.addEventListener(topic, function () { hinted(topic); });
    });
  }

  function disconnect() {
    if (stream) stream.close();
    stream = null;
    show("off");
  }

  document.addEventListener("visibilitychange", function () {
    if (document.hidden) {
      disconnect();
    } else {
      stale = {};
      connect();
      document.querySelectorAll("[data-live]").forEach(refresh);
    }
  });
  window.addEventListener("pagehide", disconnect);

  document.querySelectorAll("[data-every]").forEach(function (element) {
    setInterval(function () { if (!document.hidden) refresh(element); }, element.dataset.every * 1000);
  });

  // A page that was refreshed says nothing; one that was refused says so.
  document.addEventListener("htmx:responseError", function () { show("off"); });

  // --- keys ---------------------------------------------------------------------------------------------------
  function rows() { return document.querySelectorAll("[data-row]"); }

  function currentRow() { return document.querySelector("[data-row].current"); }

  function select(row, quietly) {
    document.querySelectorAll("[data-row].current").forEach(function (each) { each.classList.remove("current"); });
    if (!row) return;
    row.classList.add("current");
    if (quietly) return;
    var link = row.querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    var all = Array.prototype.slice.call(rows());
    if (!all.length) return;
    var at = all.indexOf(currentRow());
    select(all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)]);
  }

  document.addEventListener("keydown", function (event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.tagName === "TEXTAREA") {
      var form = event.target.form;
      if (form.requestSubmit) form.requestSubmit(); else form.submit();
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    var typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "j" || (event.key === "ArrowDown" && currentRow())) { move(1); event.preventDefault(); }
    else if (event.key === "k" || (event.key === "ArrowUp" && currentRow())) { move(-1); event.preventDefault(); }
    else if (event.key === "/") {
      var search = document.querySelector("[data-search]");
      if (search) { search.focus(); search.select(); event.preventDefault(); }
    } else if (/^[a-z]$/.test(event.key)) {
      // A link is followed at once; a button only gets the focus: Enter is what does it.
      var wanted = document.querySelector("[data-key='" + event.key + "']");
      if (wanted) {
        var folded = wanted.closest("details");
        if (folded) folded.open = true;
        if (wanted.tagName === "A") wanted.click(); else wanted.focus();
        event.preventDefault();
      }
    } else if (event.key === "Escape") { select(null); }
  });

  document.addEventListener("focusin", function (event) {
    var row = event.target.closest && event.target.closest("[data-row]");
    if (row && !row.classList.contains("current")) {
      document.querySelectorAll("[data-row].current").forEach(function (each) { each.classList.remove("current"); });
      row.classList.add("current");
    }
  });

  // A canned answer goes where the cursor is, as if it had been typed.
  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest("[data-insert]");
    var field = link && document.querySelector("textarea[data-key='a']");
    if (!field || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    field.focus();
    field.setRangeText(link.dataset.insert, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });

  // --- what is being written -----------------------------------------------------------------------------------
  // A text that was not sent outlives its page: a session that ended, a link followed by mistake, a lost line. It is
  // kept in this tab, for who wrote it, until a page says that it was taken.
  var person = document.querySelector(".who .name");
  var drafts = {};
  try { drafts = JSON.parse(sessionStorage.getItem("drafts") || "{}"); } catch (error) { drafts = {}; }

  function keep() {
    try { sessionStorage.setItem("drafts", JSON.stringify(drafts)); } catch (error) { /* full, or forbidden */ }
  }

  function nameOf(field) {
    return [person && person.textContent, field.form && field.form.getAttribute("action"), field.name].join(" ");
  }

  function settle() {
    var taken = person && !document.querySelector("[role=alert], .status");
    Object.keys(drafts).forEach(function (name) {
      if (drafts[name].sent && taken) delete drafts[name]; else drafts[name].sent = false;
    });
    document.querySelectorAll("form[method=post] textarea").forEach(function (field) {
      var kept = drafts[nameOf(field)];
      if (!kept || field.value) return;
      field.value = kept.text;
      var folded = field.closest("details");
      if (folded) folded.open = true;
    });
    keep();
  }

  document.addEventListener("input", function (event) {
    var field = event.target;
    if (!person || field.tagName !== "TEXTAREA" || !field.form || field.form.method !== "post") return;
    if (field.value) drafts[nameOf(field)] = { text: field.value, sent: false }; else delete drafts[nameOf(field)];
    keep();
  });

  function sentOff(form) {
    form.querySelectorAll("textarea").forEach(function (field) {
      if (drafts[nameOf(field)]) drafts[nameOf(field)].sent = true;
    });
    if (/sign-out$/.test(form.getAttribute("action"))) drafts = {};
    keep();
  }

  // --- forms --------------------------------------------------------------------------------------------------
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) { event.preventDefault(); return; }
    if (form.method === "get") {
      // An address without empty fields is one that people can read and pass on.
      form.querySelectorAll("input, select").forEach(function (field) { if (!field.value) field.disabled = true; });
      return;
    }
    form.dataset.sent = "1";
    sentOff(form);
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form").forEach(function (form) {
      delete form.dataset.sent;
      if (form.method === "get") form.querySelectorAll(":disabled").forEach(function (field) { field.disabled = false; });
    });
  });
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit ? event.target.form.requestSubmit() : event.target.form.submit();
  });

  // On a phone the rail is wider than the screen: the page one is on is to be seen.
  var here = document.querySelector(".rail [aria-current]"), rail = document.querySelector(".rail");
  if (here && rail.scrollWidth > rail.clientWidth) {
    rail.scrollLeft = here.offsetLeft - (rail.clientWidth - here.offsetWidth) / 2;
  }

  settle();
  connect();
})();
