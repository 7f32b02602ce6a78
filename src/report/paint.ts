import { styleText } from "node:util";

export type Paint = (how: "bold" | "dim" | "red" | "green", text: string) => string;

export const plain: Paint = (_how, text) => text;

/** Colours only when `stream` is a terminal, or as NO_COLOR and FORCE_COLOR say. */
export function paintFor(stream: NodeJS.WritableStream): Paint {
  return (how, text) => styleText(how, text, { stream, validateStream: true });
}
