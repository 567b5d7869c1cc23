// Finished pictures.
export {};
