// Dark or light: as the system has it until somebody chooses; the login page reads and writes the same cookie.

const YEAR_S = 31536000;
const NAME = "garret_theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${NAME}=`));
  const name = found ? found.slice(NAME.length + 1) : "";
  return ["dark", "light"].includes(name) ? name : "";
}

function show() {
  const dark = chosen() ? chosen() === "dark" : system.matches;
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
}

export function toggleColours() {
  const name = document.body.classList.contains("dark") ? "light" : "dark";
  document.cookie = `${NAME}=${name}; path=/; max-age=${YEAR_S}; SameSite=Strict`;
  show();
}

// Gradio follows the system alone, when it begins and whenever that changes.
new MutationObserver(show).observe(document.body, { attributes: true, attributeFilter: ["class"] });
document.addEventListener("visibilitychange", show); // another tab may have chosen
show();
