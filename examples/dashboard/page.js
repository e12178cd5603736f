// Replaces parts of the page by what the server sends, from the event that the page ends with.
const run = document.querySelector("[data-events]");
if (run) {
  const events = new EventSource(run.dataset.events);
  events.addEventListener("parts", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) {
      const part = document.getElementById(id);
      if (part) part.innerHTML = html;
    }
  });
  // The whole page then has the forms that start the next run.
  events.addEventListener("over", () => location.reload());
  events.addEventListener("error", () => document.body.classList.add("offline"));
  events.addEventListener("open", () => document.body.classList.remove("offline"));
}
