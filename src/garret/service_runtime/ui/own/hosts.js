// Places for elements of ours that are told their facts once: page/hosting.py has an empty column for each.

const IS = "garret-is:";

// Put into each place that has just been drawn what belongs there.
export function fillHosts() {
  for (const host of document.querySelectorAll(`.garret-host[class*="${IS}"]`)) {
    if (host.firstElementChild) continue;
    const said = [...host.classList].find((one) => one.startsWith(IS)).slice(IS.length);
    const [name, facts] = said.split(":");
    const element = document.createElement(`garret-${name}`);
    element.setAttribute("facts", facts);
    host.append(element);
  }
}
