// The picture that is begun from, and the mask that is painted on it.
export {};
