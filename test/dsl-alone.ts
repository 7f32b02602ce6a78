/** Assembles one program body over a few global words, and runs it alone. */

import {
  assemble,
  type Builder,
  bool,
  cpumask,
  type Expr,
  program,
  record,
  rwlock,
  spinlock,
  type U64,
  u64,
} from "../src/dsl/index.js";
import { runAlone, type Words, wordKey } from "./dsl-interpreter.js";

export const glob = record("global", {
  out: u64,
  in: u64,
  mask: cpumask,
  lock: spinlock("lock"),
  sem: rwlock("sem"),
  yes: bool,
});
const OUT = wordKey(0, 0);
export const IN = wordKey(0, 1);
export const MASK = wordKey(0, 2);

export type Body = (k: Builder, args: { readonly x: Expr<U64>; readonly y: Expr<U64> }) => void;

export function build(body: Body) {
  const source = program("p", ["x", "y"], body);
  return assemble({ entries: [source], records: [glob], cpus: 8, radixBits: 2 });
}

/** The word that a body stored in `out`, and the labels of its steps. */
export function run(body: Body, x = 0n, y = 0n, words: Words = new Map()) {
  const { steps, status } = runAlone(build(body), "p", [x, y], words);
  return { out: words.get(OUT), steps, status };
}
