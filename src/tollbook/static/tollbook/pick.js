// Picking rows of a table. The form works without this file: its box for the whole page names every row of it. Here that
// box ticks the others and follows them, and the button says how many are picked.
(() => {
  "use strict";

  document.querySelectorAll("[data-pick-all]").forEach((all) => {
    const form = all.form;
    const rows = [...form.elements].filter((box) => box.type === "checkbox" && box !== all);
    const count = form.querySelector("[data-pick-count]");

    const show = () => {
      const picked = rows.filter((box) => box.checked).length;
      all.checked = picked === rows.length;
      all.indeterminate = picked > 0 && picked < rows.length;
      count.textContent = picked ? ` (${picked})` : "";
    };

    all.addEventListener("change", () => {
      rows.forEach((box) => { box.checked = all.checked; });
      show();
    });
    rows.forEach((box) => box.addEventListener("change", show));
    form.addEventListener("submit", () => {
      // The rows name themselves: half of the address is enough.
      all.disabled = true;
      setTimeout(() => { all.disabled = false; });
    });
    window.addEventListener("pageshow", show);
    show();
  });
})();
