// The keys of the phone. Typing and sending work without this file; the keypad needs it.
(function () {
  "use strict";

  var phone = document.querySelector(".phone");
  if (!phone) return;
  var form = phone.querySelector("form");
  var field = form.querySelector("input[name=text]");

  function insert(text) {
    var start = field.selectionStart, end = field.selectionEnd;
    field.value = field.value.slice(0, start) + text + field.value.slice(end);
    field.focus();
    field.setSelectionRange(start + text.length, start + text.length);
  }

  phone.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.press) insert(button.dataset.press);
    if (button.dataset.fill) { field.value = button.dataset.fill; field.focus(); }
    if (button.dataset.scroll) {
      var text = phone.querySelector(".lcd-text");
      text.scrollBy(0, button.dataset.scroll * text.clientHeight * 5 / 6);
    }
  });

  // Who types faster than the network answers loses nothing: what is pressed meanwhile waits for its turn.
  var pressed = [], sending = null;

  function ours(event) { return event.target === form || event.detail.elt === form; }

  document.addEventListener("submit", function (event) {
    if (event.target !== form || sending === null) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed.push({ text: field.value, button: event.submitter });
    field.value = "";
  }, true);

  document.addEventListener("htmx:beforeSend", function (event) {
    if (!ours(event)) return;
    sending = field.value;
    field.value = "";
  });

  document.addEventListener("htmx:afterRequest", function (event) {
    if (!ours(event)) return;
    delete form.dataset.sent;
    if (!event.detail.successful) {
      pressed = [];
      field.value = field.value || sending;
    }
    field.focus();
    setTimeout(next);  // once htmx is done with this one
  });

  function next() {
    sending = null;
    var key = pressed.shift();
    if (!key) return;
    var typed = field.value;
    field.value = key.text;
    form.requestSubmit(key.button);
    field.value = typed;
  }
})();
