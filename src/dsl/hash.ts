/** A fingerprint of a program's bytes, for "the same options give the same program". */

import type { Program } from "./program.js";

const PRIME = 0x01000193;
const BASES = [0x811c9dc5, 0x9747b28c] as const;

/**
 * FNV-1a, twice with different bases, over ops, entries, tables and layout; 16 hex digits.
 *
 * Labels, files and lines are left out: they do not change what the program does.
 */
export function programHash(program: Program): string {
  const { ops, entries, windows, counters, works, layout, registers } = program;
  const bytes = JSON.stringify([
    ops.map(({ op, dst, a, b, c, d, imm }) => [op, dst, a, b, c, d, imm.toString(16)]),
    entries.map(({ name, pc, args }) => [name, pc, args]),
    [windows, counters, works, registers],
    [layout.cpus, Object.entries(layout.words)],
    layout.fields.map(({ record, name, word, words, kind }) => [record, name, word, words, kind]),
  ]);
  return BASES.map((base) => fnv(bytes, base).toString(16).padStart(8, "0")).join("");
}

function fnv(text: string, base: number): number {
  let hash = base;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash >>> 0;
}
