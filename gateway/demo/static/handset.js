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

  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.target !== form && event.detail.elt !== form) return;
    delete form.dataset.sent;
    if (event.detail.successful) field.value = "";
    field.focus();
  });
})();
