// All of our own elements; importing one defines it.
import "./bar.js";
import "./begin.js";
import "./form.js";
import "./gallery.js";
import "./jobs.js";
import "./machine.js";
import "./models.js";
import "./said.js";
