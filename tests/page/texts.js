// All that is shown or read out, but for what is marked as somebody's own words or names (translate="no").
() => {
  const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;
  const own = (one) => one.closest("[translate=no], script, style, noscript, textarea, option, code, pre");
  const found = [document.title];
  const gather = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) gather(one.shadowRoot);
      if (own(one) || !shown(one)) continue;
      for (const node of one.childNodes) if (node.nodeType === Node.TEXT_NODE) found.push(node.textContent);
      for (const name of ["aria-label", "title", "placeholder", "alt"]) found.push(one.getAttribute(name) || "");
    }
  };
  gather(document);
  return found.filter((text) => text.trim());
}
