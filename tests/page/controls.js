// Lists the controls that are shown, through open shadow roots too. A group of radio buttons is one stop of Tab, as are
// tabs: arrows go on within.
() => {
  const kinds = "a[href], button, input, select, textarea, summary, [contenteditable=true], [tabindex], [role=button], "
    + "[role=tab], [role=slider], [role=switch], [role=checkbox], [role=radio], [role=combobox], [role=link]";
  const look = (one) => {
    const [style, after] = [getComputedStyle(one), getComputedStyle(one, "::after")];
    return [after.content, after.borderStyle, after.borderWidth, after.borderColor, style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor,
      style.backgroundColor, style.textDecorationLine, style.color].join("|");
  };
  // What shows that a field has the focus may be its frame's.
  const looks = (one) => {
    const above = one.parentElement;
    const frames = [one, above, above?.parentElement, one.closest("label"), one.nextElementSibling];
    return frames.map((frame) => frame ? look(frame) : "").join("/");
  };
  const shown = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0
    && !one.closest("[inert], [aria-hidden=true]");
  const within = (root) => [...root.querySelectorAll("*")].flatMap((one) =>
    [...(one.matches(kinds) && shown(one) ? [one] : []), ...(one.shadowRoot ? within(one.shadowRoot) : [])]);
  const labels = (one) => [...(one.labels || [])].map((label) => label.innerText).join(" ");
  const named = (one) => (one.getAttribute("aria-label") || labels(one) || one.innerText
    || one.title || one.placeholder || one.id || one.outerHTML).trim().slice(0, 80);
  const group = (one) => one.type === "radio" && one.name ? `radio ${one.name}`
    : one.getAttribute("role") === "tab" ? "tabs" : "";
  window.garretControls = within(document);
  const roles = { INPUT: (one) => one.type, A: () => "link" };
  window.garretLooks = () => window.garretControls.map(looks);
  window.garretFocused = () => {
    let focus = document.activeElement;
    while (focus?.shadowRoot?.activeElement) focus = focus.shadowRoot.activeElement;
    return focus;
  };
  // Tab goes on from where something was clicked last; a walk begins at the top.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.blur();
  document.body.removeAttribute("tabindex");
  window.garretBefore = window.garretLooks();
  return window.garretControls.map((one) => ({
    role: one.getAttribute("role") || (roles[one.tagName] || (() => one.tagName.toLowerCase()))(one),
    name: named(one), group: group(one), stops: one.tabIndex >= 0 && !one.disabled,
    path: [one.closest("[id]")?.id || "", one.tagName.toLowerCase()].join(" "),
  }));
}
