// Pictures on their way to the tabs that begin from one.

export function sendButtons() {
  return [];
}
