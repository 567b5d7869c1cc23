// Jobs that wait or run, and what came of them.
export {};
