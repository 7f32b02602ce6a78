import { type Quantity, quantity } from "./preset.js";
import { assumed } from "./sources.js";

/** Lines of a page, and how many of them are on their way to a core at a time: the line-fill buffers of an Intel core, about. */
const lines = 64;
const atOnce = 10;

/** What it adds to clear or copy a page of another node, where a line takes `farther` ns longer than within the socket. */
export function remoteFrame(farther: number): Quantity<"ns"> {
  const why = `${lines} lines, ${atOnce} at a time, each ${farther} ns longer, as lines from there are [C2C]`;
  return quantity((lines / atOnce) * farther, "ns", assumed(why));
}
