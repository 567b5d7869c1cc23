// Work that is done only while somebody looks: a tab in the background asks nobody anything.

// Call `work` at once when an element comes into sight, and every so often as long as it is; returns what ends that,
// with `now()` to do it at once.
export function whileSeen(element, work, everyMs) {
  let timer = 0;
  let inSight = false;
  let busy = false;

  async function once() {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
      if (inSight && !document.hidden) timer = setTimeout(once, typeof everyMs === "function" ? everyMs() : everyMs);
    }
  }

  function look() {
    if (inSight && !document.hidden) once();
    else clearTimeout(timer);
  }

  const observer = new IntersectionObserver((entries) => {
    inSight = entries.at(-1).isIntersecting;
    look();
  });
  observer.observe(element);
  document.addEventListener("visibilitychange", look);
  const end = () => {
    inSight = false;
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", look);
  };
  end.now = once;
  return end;
}
