// The node itself.
export {};
