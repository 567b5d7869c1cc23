"use strict";
// One button for each style; a click writes its word into the prompt.
document.addEventListener("DOMContentLoaded", async () => {
  const reply = await fetch("/extensions/studio-style/styles");
  if (!reply.ok) return;
  const row = document.createElement("div");
  row.className = "studio-styles";
  for (const [name, words] of Object.entries(await reply.json())) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.title = words;
    button.addEventListener("click", () => {
      const prompt = document.getElementById("prompt");
      prompt.value = `${prompt.value.trim()} @${name}`.trim();
      prompt.focus();
    });
    row.append(button);
  }
  document.getElementById("prompt").after(row);
});
