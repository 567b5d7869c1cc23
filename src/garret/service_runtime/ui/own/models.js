// The models in their folders.
export {};
