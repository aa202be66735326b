// Disclosure menus. A menu is a <details data-menu> and works without this file; here it learns Escape, a click
// outside, leaving it by Tab, and the arrow keys.
(() => {
  "use strict";

  const items = (menu) => [...menu.querySelectorAll("a[href], button:not([disabled])")];

  const close = (menu, focus) => {
    menu.open = false;
    if (focus) menu.querySelector("summary").focus();
  };

  const step = (menu, key) => {
    const all = items(menu);
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? all.length - 1 : at - 1, Home: 0, End: all.length - 1 }[key];
    all[(to + all.length) % all.length]?.focus();
  };

  document.querySelectorAll("details[data-menu]").forEach((menu) => {
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && menu.open) {
        close(menu, true);
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp" || (menu.open && /^(Home|End)$/.test(event.key))) {
        event.preventDefault();
        menu.open = true;
        step(menu, event.key);
      }
    });
    menu.addEventListener("focusout", (event) => {
      if (menu.open && event.relatedTarget && !menu.contains(event.relatedTarget)) close(menu);
    });
    document.addEventListener("pointerdown", (event) => {
      if (menu.open && !menu.contains(event.target)) close(menu);
    });
  });
})();
