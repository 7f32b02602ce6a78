/**
 * How an assembled program reads: C-like pseudo-code with labels, for people and golden files.
 *
 * It has no line numbers, registers or addresses, so a diff of two listings shows which steps changed.
 */

import type { BinaryOp, Node } from "./nodes.js";
import type { Program } from "./program.js";
import type { Address } from "./state.js";

/** Throws: RangeError when the program has no such entry or was not made by assemble(). */
export function listing(program: Program, entryName: string): string {
  const text = program.entries.find((entry) => entry.name === entryName)?.text;
  if (text === undefined) {
    const names = program.entries.map((entry) => entry.name).join(", ");
    throw new RangeError(`no listing for entry "${entryName}"; the program has: ${names}`);
  }
  return `${text.join("\n")}\n`;
}

const SYMBOLS: Readonly<Record<BinaryOp, string>> = {
  ADD: "+",
  SUB: "-",
  AND: "&",
  OR: "|",
  XOR: "^",
  SHL: "<<",
  SHR: ">>",
  EQ: "==",
  NE: "!=",
  LTU: "<",
  LEU: "<=",
};

/** An expression; `inner` ones get parentheses where C's precedence would be a puzzle. */
export function exprText(node: Node, inner = false): string {
  const wrap = (text: string): string => (inner ? `(${text})` : text);
  switch (node.kind) {
    case "constant":
      return node.value < 4096n ? `${node.value}` : `0x${node.value.toString(16)}`;
    case "slot":
      return node.slot.name;
    case "own":
      return node.op === "CPU" ? "thisCpu" : "thisTask";
    case "binary":
      return wrap(`${exprText(node.left, true)} ${SYMBOLS[node.op]} ${exprText(node.right, true)}`);
    case "not":
      return negated(node.of, wrap);
    case "member":
      return `${exprText(node.of, true)}.${node.name}`;
    case "insert": {
      const parts = node.parts.map((part) => `${part.name}: ${exprText(part.value)}`).join(", ");
      if (node.of.kind === "constant" && node.of.value === 0n) return `{ ${parts} }`;
      return `${exprText(node.of, true)} with { ${parts} }`;
    }
    case "select":
      return wrap(
        `${exprText(node.when, true)} ? ${exprText(node.then, true)} : ${exprText(node.otherwise, true)}`,
      );
  }
}

function negated(node: Node, wrap: (text: string) => string): string {
  if (node.kind === "binary" && (node.op === "LTU" || node.op === "LEU")) {
    const symbol = node.op === "LTU" ? ">=" : ">";
    return wrap(`${exprText(node.left, true)} ${symbol} ${exprText(node.right, true)}`);
  }
  return `!${exprText(node, true)}`;
}

/** A shared field: mm[i].tlb_gen, cpu[i].csd[j], global.x, pte[table][index]. */
export function place({ address }: { readonly address: Address }): string {
  const base = address.base === undefined ? "" : `[${exprText(address.base)}]`;
  const offset = address.offset === undefined ? "" : `[${exprText(address.offset)}]`;
  if (address.field === "pte") return `pte${base}${offset}`;
  return `${address.field.record.kind}${base}.${address.field.name}${offset}`;
}
