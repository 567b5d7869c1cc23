// What the form has beside Gradio's components.
export {};
