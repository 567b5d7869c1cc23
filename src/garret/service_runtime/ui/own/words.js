// The page's words in the language that it was served in: src/garret/service_runtime/ui/words has them.

export const language = document.documentElement.lang;

const words = window.gradio_config.i18n_translations[language];

// What a key says, with the values in the places that {name} marks.
export function say(key, values = {}) {
  if (!(key in words)) throw new Error(`there are no words for ${key}`);
  return words[key].replace(/\{(\w+)\}/g, (place, name) => (name in values ? values[name] : place));
}

export function knows(key) {
  return key in words;
}

const units = ["B", "kB", "MB", "GB", "TB"];

// A number of bytes as people read it.
export function bytes(count) {
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${number(count / 1000 ** power, power ? 1 : 0)} ${units[power]}`;
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

// A length of time in its largest two units.
export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return say("time.days_hours", { days, hours });
  if (hours) return say("time.hours_minutes", { hours, minutes });
  if (minutes) return say("time.minutes_seconds", { minutes, seconds: whole % 60 });
  return say("time.seconds", { seconds: whole });
}

// A moment in seconds since 1970.
export function moment(seconds) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}
